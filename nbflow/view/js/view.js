// The view of one run, mounted in an element, over any transport.
//
// Messages are folded as they come; drawing happens once per animation frame, only what changed, and not at all while
// the view is off screen: then it catches up once. Live updates never change selection, scroll, face or focus.

import { Announcer, Watcher } from './announcer.js';
import { Commander } from './commander.js';
import { Compact } from './compact.js';
import { h, setText } from './dom.js';
import { Faces } from './faces.js';
import { ENDED } from './format.js';
import { GraphFace } from './graph.js';
import { Header } from './header.js';
import { StatusIcons } from './icons.js';
import { Inspector } from './inspector.js';
import { onKey } from './keys.js';
import { LogFace } from './log.js';
import { Change, Model } from './model.js';
import { Travel } from './moment.js';
import { StatusBar } from './parts.js';
import { Slider } from './slider.js';
import { StateFace } from './state.js';
import { Ticker } from './ticker.js';
import { TimelineFace } from './timeline.js';

const NARROW = 640; // px
const FRESH = 20; // s: a run that ended this long ago was still watched for

let views = 0;

class View {
  constructor(el, transport) {
    const prefix = `nf${Date.now().toString(36)}${(views += 1)}-`;
    const icons = new StatusIcons(prefix);
    Object.assign(this, { transport, model: new Model(), change: new Change(), skew: 0, frame: 0, seen: true });
    Object.assign(this, { drawn: null, collapsed: null, selected: null });
    this.commander = new Commander({ send: (message) => this.ask(message), changed: () => this.redrawHeader() });
    this.travel = new Travel({ ask: (message) => this.ask(message), changed: () => this.moved() });
    this.actions = {
      select: (id) => this.select(id),
      seek: (seq) => this.travel.seek(seq),
      show: (face) => this.show(face),
      locate: (cell, line) => transport.locate?.(cell, line) ?? null,
      press: (name) => this.press(name),
      command: (name, rest) => this.commander.command(name, rest),
      confirmStop: (yes) => this.confirmStop(yes),
      collapse: (on) => this.collapse(on, true),
      next: (status) => this.next(status),
    };
    this.ticker = new Ticker(() => this.tick());
    this.build(el, prefix, icons);
    this.watch();
    this.close = transport.open((message) => this.receive(message));
    transport.send({ type: 'ready' });
  }

  build(el, prefix, icons) {
    const { actions } = this;
    const tools = { icons, prefix, actions, ask: (message) => this.ask(message) };
    this.faces = new Faces(
      { graph: new GraphFace(tools), timeline: new TimelineFace(tools), state: new StateFace(tools), log: new LogFace(tools) },
      { prefix, onShow: actions.show },
    );
    this.header = new Header({ icons, actions, tabs: this.faces.tabs });
    this.compact = new Compact({ icons, actions });
    this.bar = new StatusBar();
    this.inspector = new Inspector({ icons, prefix, ask: tools.ask, ...actions });
    this.slider = new Slider(this.travel);
    this.body = h('div', { class: 'nf-body' }, this.faces.el, this.inspector.el);
    this.opened = h('div', {}, this.header.el, this.bar.el, this.body, this.slider.el);
    this.spoken = h('div', { class: 'nf-sr', 'aria-live': 'polite' });
    this.announcer = new Announcer((text) => setText(this.spoken, text));
    this.root = h('div', { class: 'nf-root', role: 'region', 'data-lm-suppress-shortcuts': 'true', hidden: true, tabindex: '-1' },
      icons.symbols(), this.compact.el, this.opened, this.spoken);
    this.root.addEventListener('keydown', (event) => onKey(event, this));
    el.append(this.root);
  }

  watch() {
    this.sizes = new ResizeObserver(() => this.layout());
    this.sizes.observe(this.root);
    this.sight = new IntersectionObserver((entries) => this.look(entries.at(-1).isIntersecting));
    this.sight.observe(this.root);
  }

  // A view that shows nothing yet is nowhere to be seen, and must not wait for that.
  look(seen) {
    this.seen = seen || this.root.hidden;
    if (this.seen) this.draw();
  }

  /** Seconds since the epoch by the kernel's clock. */
  get now() {
    return Date.now() / 1000 + this.skew;
  }

  /** The moment that is shown, {seq, time, clock}; null is now. */
  get moment() {
    return this.travel.moment;
  }

  /** The run as it is shown. */
  get shown() {
    return this.travel.model ?? this.model;
  }

  ask(message) {
    if (this.model.connected) this.transport.send(message);
  }

  receive(message) {
    const { now: had, connected, scene } = this.model;
    this.model.apply(message, this.change);
    if (this.model.scene !== scene) this.travel.forget(this.model.scene);
    if (this.faces.receive(message)) this.change.told = true;
    if (message.type === 'patch' || message.type === 'snapshot') this.hear(message);
    this.travel.receive(message);
    if (message.type === 'refused') this.refused(message);
    if (!connected && this.model.connected) this.greet();
    if (this.model.now !== had && this.model.now !== null) this.skew = this.model.now - Date.now() / 1000;
    this.draw(message.type === 'patch');
  }

  hear(message) {
    this.travel.hear(message, this.model.run);
    this.commander.hear(this.model.run);
  }

  greet() {
    this.travel.lost();
    this.transport.send({ type: 'ready' });
  }

  // The first patch of a frame is drawn at once: it has not to wait for work that others have put into the frame.
  draw(soon = false) {
    if (this.frame || !this.seen) return;
    if (soon) this.flush();
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.flush();
    });
  }

  /** Bring the page up to date with the model. */
  flush() {
    const { change, model } = this;
    if (change.empty || !model.scene) return;
    this.change = new Change();
    if (change.scene) this.showScene();
    if (change.run || change.moved) this.drawRun();
    if (!this.collapsed) this.drawBody(change);
    else if (change.nodes.size || change.all) this.compact.draw(model, this.now);
    this.ticker.next(this.model, this.now);
  }

  // In the past only what a person does, or asked for, changes the body.
  drawBody(change) {
    const { moment, selected, shown } = this;
    const seen = moment ? new Change() : change;
    seen.all ||= moment !== this.drawn;
    this.drawn = moment;
    if (change.moved || this.touches(seen)) this.inspector.draw(shown, moment !== null);
    this.faces.draw(shown, { now: moment?.time ?? this.now, selected, moment, change: seen });
    this.slider.draw(this.model, this.now);
    this.travel.inspect(selected);
  }

  touches(change) {
    const { selected } = this;
    return selected !== null && (change.all || change.run || change.inspected === selected || change.nodes.has(selected));
  }

  showScene() {
    const { scene } = this.model;
    this.root.hidden = false;
    this.root.setAttribute('aria-label', `Workflow run ${scene.title}`);
    this.root.classList.toggle('nf-large', scene.mode === 'list');
    this.root.classList.toggle('nf-still', scene.run_id === null);
    this.watcher = new Watcher(scene.title);
    this.select(null);
    this.header.show(scene);
    this.faces.scene(scene);
    this.compact.show(scene, this.faces.faces.graph.drawing);
    this.layout();
  }

  drawRun() {
    const { model } = this;
    const total = model.scene.order.length;
    if (this.collapsed === null && model.seq >= 0) this.collapse(this.isOld());
    this.root.classList.toggle('past', this.moment !== null);
    this.header.draw(model, this.now, this);
    this.bar.draw(model.run, total);
    if (this.collapsed) this.compact.draw(model, this.now);
    if (model.seq >= 0) this.announcer.announce(this.watcher.look(model.run, total));
  }

  // A run that had ended when the page first heard of it is history, unless it ended just now.
  isOld() {
    const { run, now } = this.model;
    return ENDED.has(run.status) && (now === null || Date.now() / 1000 - now > FRESH);
  }

  tick() {
    if (this.seen && this.collapsed) this.compact.draw(this.model, this.now);
    else if (this.seen) {
      this.header.tick(this.model, this.now);
      this.faces.tick(this.shown, this.moment?.time ?? this.now);
      this.slider.draw(this.model, this.now);
    }
    this.ticker.next(this.model, this.now);
  }

  layout() {
    this.faces.layout(this.root.clientWidth > 0 && this.root.clientWidth < NARROW);
    this.slider.layout();
    if (this.model.scene) this.slider.draw(this.model, this.now);
  }

  /** Draw what a person did. */
  moved() {
    this.change.moved = true;
    this.draw();
  }

  show(face) {
    if (this.collapsed) this.collapse(false);
    this.faces.show(face);
    this.body.classList.toggle('nf-wide', Boolean(this.faces.face.wide));
    this.layout();
    this.moved();
  }

  select(id) {
    if (id !== null && this.collapsed) this.collapse(false);
    if (id === this.selected) return;
    this.selected = id;
    this.inspector.show(id);
    this.ask({ type: 'inspect', node: id });
    this.change.moved = true;
    this.flush();
  }

  /** Select the node after the selected one, in graph order, that has a status. */
  next(status) {
    const { order } = this.model.scene;
    const at = order.indexOf(this.selected) + 1;
    const found = [...order.slice(at), ...order.slice(0, at)].find((id) => this.model.node(id).status === status);
    if (found !== undefined) this.select(found);
  }

  press(name) {
    this.commander.press(name);
    if (this.commander.asking) this.header.ask.querySelector('button').focus();
  }

  confirmStop(yes) {
    this.commander.confirm(yes);
    this.root.focus({ preventScroll: true });
  }

  refused(message) {
    this.inspector.refused(message);
    this.commander.refused(message);
    this.announcer.announce(message.message);
  }

  redrawHeader() {
    if (this.model.scene) this.header.draw(this.model, this.now, this);
  }

  collapse(on, focus = false) {
    this.collapsed = on;
    this.compact.el.hidden = !on;
    this.opened.hidden = on;
    if (on) this.compact.draw(this.model, this.now);
    else {
      this.change.all = this.change.run = true;
      this.layout();
      this.draw();
    }
    if (focus) (on ? this.compact.open : this.root).focus({ preventScroll: true });
  }

  /** Close what is open: the question, then the inspector; then leave to the notebook's cell. */
  escape() {
    if (this.commander.asking) this.confirmStop(false);
    else if (this.selected !== null) this.select(null);
    else {
      document.activeElement?.blur();
      this.root.closest('.jp-Notebook')?.focus({ preventScroll: true });
    }
  }

  destroy() {
    this.close?.();
    this.sizes.disconnect();
    this.sight.disconnect();
    this.announcer.stop();
    this.faces.destroy();
    cancelAnimationFrame(this.frame);
    this.ticker.stop();
    this.root.remove();
  }
}

/**
 * Show a run in `el` and keep it up to date; returns a function that takes it away again.
 *
 * A transport has `send(message)`, `open(receive)`, which calls `receive` with every message of the kernel and returns
 * a function that closes it, and optionally `locate(cellId, line)`, which returns a function that shows the cell.
 */
export function mount(el, transport) {
  const view = new View(el, transport);
  return () => view.destroy();
}
