// The actions of a person in the view of a run: select a node, show a face, collapse the view, send a command. Buttons,
// rows and keys call these; the view draws the result.

import { Commander } from './commander.js';
import { rootOf } from './paths.js';

export class Hands {
  /** `view` has the parts of the page and draws them. */
  constructor(view) {
    Object.assign(this, { view, selected: null, path: null, collapsed: null });
    this.commander = new Commander({ send: (message) => view.ask(message), changed: () => view.drawHeader() });
    this.actions = {
      select: (id) => this.select(id),
      attend: (id) => this.attend(id),
      seek: (seq) => view.travel.seek(seq),
      show: (face) => this.show(face),
      locate: (cell, line) => view.transport.locate?.(cell, line) ?? null,
      press: (name) => this.press(name),
      command: (name, rest) => this.commander.command(name, rest),
      confirmStop: (yes) => this.confirmStop(yes),
      collapse: (on) => this.collapse(on, true),
      next: (status) => this.next(status),
    };
  }

  show(face) {
    const { view } = this;
    if (this.collapsed) this.collapse(false);
    view.faces.show(face);
    view.body.classList.toggle('nf-wide', Boolean(view.faces.face.wide));
    view.layout();
    view.moved();
  }

  /** Inspect a node, or by its path a part of a node, which is then selected; null closes the inspector. */
  select(path) {
    const { view } = this;
    if (path !== null && this.collapsed) this.collapse(false);
    if (path === this.path) return;
    Object.assign(this, { path, selected: rootOf(path) });
    view.inspector.show(path);
    view.ask({ type: 'inspect', node: path });
    view.change.moved = true;
    view.flush();
  }

  /** Select a node and show its present state in the inspector, on a face with room for one. */
  attend(id) {
    const { view } = this;
    if (view.moment) view.travel.live();
    if (view.faces.face.wide) this.show('graph');
    this.select(id);
  }

  /** Select the next node, in the order of the graph after the selected one, that has a status. */
  next(status) {
    const { model } = this.view;
    const { order } = model.scene;
    const at = order.indexOf(this.selected) + 1;
    const found = [...order.slice(at), ...order.slice(0, at)].find((id) => model.node(id).status === status);
    if (found !== undefined) this.attend(found);
  }

  press(name) {
    this.commander.press(name);
    if (this.commander.asking) this.view.header.ask.querySelector('button').focus();
  }

  confirmStop(yes) {
    this.commander.confirm(yes);
    this.view.root.focus({ preventScroll: true });
  }

  collapse(on, focus = false) {
    const { view } = this;
    this.collapsed = on;
    view.fold(on);
    if (focus) (on ? view.compact.open : view.root).focus({ preventScroll: true });
  }

  /** Close the confirmation if it is open, else the inspector, else move the focus to the notebook. */
  escape() {
    if (this.commander.asking) this.confirmStop(false);
    else if (this.selected !== null) this.select(null);
    else {
      document.activeElement?.blur();
      this.view.root.closest('.jp-Notebook')?.focus({ preventScroll: true });
    }
  }
}
