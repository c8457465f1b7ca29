// The panel with the details of one node. Its head is updated with every patch; its body is requested from the kernel
// and redrawn section by section, so that text selection, scroll positions and opened parts survive.

import { h, scroller, setText } from './dom.js';
import { EdgeList } from './edgelist.js';
import { Form } from './form.js';
import { WORDS } from './format.js';
import { controlIcon } from './icons.js';
import { focusRow } from './inside.js';
import { stepOf } from './paths.js';
import { partOf, section, sectionOrder } from './sections.js';
import { Steering } from './steering.js';

export class Inspector {
  constructor({ icons, prefix, ask, select, locate, command }) {
    Object.assign(this, { icons, ask, select, locate, answered: null, node: null, parent: null, left: null, drawn: new Map(), opened: new Set() });
    this.icon = icons.make('pending');
    [this.name, this.kind, this.word] = [h('b', { class: 'nf-el' }), h('span', { class: 'nf-mut' }), h('span', { class: 'nf-word nf-s' })];
    this.crumb = h('button', { class: 'nf-link nf-el', type: 'button', hidden: true, onclick: () => this.goBack() });
    const close = { class: 'nf-x', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', onclick: () => select(null) };
    this.head = h('div', {}, this.icon, h('span', { class: 'nf-crumbs' }, this.crumb, this.name), this.kind, this.word, h('button', close, controlIcon('close')));
    this.form = new Form({ send: ({ name, type, ...rest }) => command(name, rest) });
    this.steering = new Steering({ prefix, command });
    this.sections = h('div', {});
    this.edges = new EdgeList({ ask, select });
    this.body = scroller('About the node', { class: 'nf-ib' }, this.form.el, this.steering.el, this.sections, this.edges.el);
    this.el = h('section', { class: 'nf-insp', 'aria-label': 'Node', hidden: true }, this.head, this.body);
  }

  show(id) {
    const { parent, step } = id === null ? { parent: null, step: '' } : stepOf(id);
    Object.assign(this, { node: id, parent, left: null });
    this.el.hidden = id === null;
    this.crumb.hidden = parent === null;
    setText(this.crumb, parent ?? '');
    setText(this.name, step);
    this.name.title = this.crumb.title = id ?? '';
    this.drawn.clear();
    this.opened.clear();
    this.sections.replaceChildren();
    this.edges.clear();
    this.form.show(null);
    this.steering.show(id);
    this.body.scrollTop = 0;
  }

  /** Draw the node after event `at`, null for the present; in the past its controls are disabled. */
  draw(model, at) {
    if (this.node === null) return;
    const past = at !== null;
    const data = model.details.get(this.node);
    this.drawHead(model, data);
    this.steering.draw(model, past || this.parent !== null);
    this.form.show((!past && data?.questions?.[0]) || null, model.scene.run_id);
    this.form.connected(model.connected);
    if (!past) this.askOn(data);
    if (data) this.drawBody(data, model, at);
    else if (!model.connected) this.sections.replaceChildren(h('p', { class: 'nf-mut' }, 'The kernel is disconnected, so there are no details.'));
  }

  // The page's model has no parts of nodes; their status comes from the kernel's details.
  drawHead(model, data) {
    const whole = this.parent === null;
    const { status } = whole ? model.node(this.node) : data ?? { status: 'pending' };
    this.head.className = `nf-ih is-${status}`;
    this.icons.set(this.icon, status);
    setText(this.kind, whole ? model.kind(this.node) : data?.kind ?? '');
    setText(this.word, WORDS[status]);
  }

  /** Inspect a part of the node, and focus the button that leads back. */
  open(path) {
    this.select(path);
    this.crumb.focus({ preventScroll: true });
  }

  /** Inspect the map or subgraph around the part, and focus the part's row as soon as it is drawn. */
  goBack() {
    const part = this.node;
    this.select(this.parent);
    this.body.focus({ preventScroll: true });
    this.left = part;
    this.focusLeft();
  }

  focusLeft() {
    if (this.left === null || !this.drawn.has('inside')) return;
    if (document.activeElement === this.body) focusRow(this.sections, this.left);
    this.left = null;
  }

  // The kernel folds a long run in pieces and answers with `more` meanwhile; then the share is requested again.
  askOn(data) {
    if (!data?.timing?.more || data === this.answered) return;
    this.answered = data;
    this.ask({ type: 'inspect', node: this.node });
  }

  drawBody(data, model, at) {
    const { icons, locate, opened, select } = this;
    const tools = { icons, locate, opened, select, open: (path) => this.open(path), run: model.run };
    const order = sectionOrder(data);
    for (const [name, { element }] of this.drawn) if (!order.includes(name)) element?.remove();
    if (!this.drawn.size) this.sections.replaceChildren();
    let before = null;
    for (const name of order) {
      const element = this.drawSection(name, data, tools);
      if (!element) continue;
      const place = before ? before.nextSibling : this.sections.firstChild;
      if (element !== place) this.sections.insertBefore(element, place);
      before = element;
    }
    this.edges.draw(data, model, at);
    this.focusLeft();
  }

  // A section whose data did not change is not redrawn, so it retains text selection and scroll position.
  drawSection(name, data, tools) {
    const part = partOf(name, data);
    const was = this.drawn.get(name);
    if (was?.part === part) return was.element;
    const element = section(name, data, tools);
    this.drawn.set(name, { part, element });
    if (was?.element && element) replace(was.element, element);
    else was?.element?.remove();
    return element;
  }

  /** Show that the kernel refused a command for the node. */
  refused(message) {
    if (message.name === 'answer') this.form.refused(message);
    else if (message.name === 'skip' && message.node === this.node) this.steering.refuse(message.message);
    else if (message.name === 'retry') this.steering.stands(null);
  }
}

// Preserve the scroll position and the focus of a list while its rows are redrawn.
function replace(old, element) {
  const [was, list] = [old, element].map((one) => one.querySelector('.nf-inside'));
  const at = was?.scrollTop;
  const held = was?.contains(document.activeElement) ? document.activeElement.dataset.path : null;
  old.replaceWith(element);
  if (!was || !list) return;
  list.scrollTop = at;
  if (held) focusRow(list, held);
}
