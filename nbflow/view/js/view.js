// The view of one run, mounted in an element, over any transport.
//
// Messages are folded when they arrive. Drawing happens once per animation frame, for changes only, and not while the
// view is off screen; when it becomes visible, it is drawn once. Updates never change selection, scroll, face or focus.

import { Announcer, Watcher } from './announcer.js';
import { Compact } from './compact.js';
import { h, setText } from './dom.js';
import { Faces } from './faces.js';
import { ENDED } from './format.js';
import { GraphFace } from './graph.js';
import { Greeting } from './greeting.js';
import { Hands } from './hands.js';
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
const FRESH = 20; // s: a run that ended less than this ago is shown open, as if it had been watched
const CROWD = 16; // running nodes; with more, their icons do not spin

let views = 0;

class View {
  constructor(el, transport) {
    const prefix = `nf${Date.now().toString(36)}${(views += 1)}-`;
    const icons = new StatusIcons(prefix);
    Object.assign(this, { transport, model: new Model(), change: new Change(), skew: 0, frame: 0, seen: true });
    this.drawn = null;
    this.hands = new Hands(this);
    this.travel = new Travel({ ask: (message) => this.ask(message), changed: () => this.moved() });
    this.ticker = new Ticker(() => this.tick());
    this.greeting = new Greeting((message) => transport.send(message));
    this.build(el, prefix, icons);
    this.watch();
    this.close = transport.open((message) => this.receive(message));
    this.greeting.begin();
  }

  build(el, prefix, icons) {
    const { actions } = this.hands;
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
    this.root.addEventListener('keydown', (event) => onKey(event, this.hands));
    // Lumino matches shortcuts from the focused element upwards: one that matches the element itself is found before an
    // attribute of the root is seen, so the focused element gets the attribute too.
    this.root.addEventListener('focusin', ({ target }) => target.setAttribute('data-lm-suppress-shortcuts', 'true'));
    el.append(this.root);
  }

  watch() {
    this.sizes = new ResizeObserver(() => this.layout());
    this.sizes.observe(this.root);
    this.sight = new IntersectionObserver((entries) => this.look(entries.at(-1).isIntersecting));
    this.sight.observe(this.root);
  }

  // An empty view has no size and is never reported as visible, so the first drawing must not wait for visibility.
  look(seen) {
    this.seen = seen || this.root.hidden;
    if (this.seen) this.draw();
  }

  /** The kernel's time, in seconds since the epoch. */
  get now() {
    return Date.now() / 1000 + this.skew;
  }

  /** The past moment that is shown, {seq, time, clock}; null for the present. */
  get moment() {
    return this.travel.moment;
  }

  /** The model that is shown: of the past moment, or of the present. */
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
    if (this.faces.receive(message)) this.change.answered = true;
    if (message.type === 'why') this.inspector.edges.receive(message);
    if (message.type === 'patch' || message.type === 'snapshot') this.hear(message);
    this.travel.receive(message);
    if (message.type === 'refused') this.refused(message);
    if (connected !== this.model.connected) this.meet();
    if (this.model.now !== had && this.model.now !== null) this.skew = this.model.now - Date.now() / 1000;
    this.draw(message.type === 'patch');
  }

  hear(message) {
    if (message.type === 'snapshot') this.greeting.end();
    this.travel.hear(message, this.model.run);
    this.hands.commander.hear(this.model.run);
  }

  // The kernel was connected or disconnected.
  meet() {
    this.greeting.end();
    if (!this.model.connected) return;
    this.travel.lost();
    this.greeting.begin();
  }

  // The first patch of a frame is drawn at once, so that it does not wait for other work scheduled in the frame.
  draw(soon = false) {
    if (this.frame || !this.seen) return;
    if (soon) this.flush();
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.flush();
    });
  }

  /** Draw the changes of the model. */
  flush() {
    const { change, model } = this;
    if (change.empty || !model.scene) return;
    this.change = new Change();
    if (change.scene) this.showScene();
    if (change.run || change.moved) this.drawRun();
    if (!this.hands.collapsed) this.drawBody(change);
    else if (change.nodes.size || change.all) this.compact.draw(model, this.now);
    this.ticker.next(this.model, this.now);
  }

  // While a past moment is shown, only a person's actions and the answers to them change the body.
  drawBody(change) {
    const { moment, shown } = this;
    const { selected, path } = this.hands;
    const seen = moment ? new Change() : change;
    seen.all ||= moment !== this.drawn;
    this.drawn = moment;
    if (change.moved || this.touches(seen)) this.inspector.draw(shown, moment?.seq ?? null);
    this.faces.draw(shown, { now: moment?.time ?? this.now, selected, moment, change: seen });
    this.slider.draw(this.model, this.now);
    this.travel.inspect(path);
  }

  touches(change) {
    const { selected, path } = this.hands;
    const general = change.all || change.run || change.edges.size > 0;
    return selected !== null && (general || change.inspected === path || change.nodes.has(selected));
  }

  showScene() {
    const { scene } = this.model;
    this.root.hidden = false;
    this.root.setAttribute('aria-label', `Workflow run ${scene.title}`);
    this.root.classList.toggle('nf-large', scene.mode === 'list');
    this.root.classList.toggle('nf-still', scene.run_id === null);
    this.watcher = new Watcher(scene.title);
    this.hands.select(null);
    this.header.show(scene);
    this.faces.scene(scene);
    this.compact.show(scene, this.faces.faces.graph.drawing);
    this.layout();
  }

  drawRun() {
    const { model } = this;
    const total = model.scene.order.length;
    if (this.hands.collapsed === null && model.seq >= 0) this.hands.collapse(this.isOld());
    this.root.classList.toggle('past', this.moment !== null);
    this.root.classList.toggle('nf-crowd', (model.run.counts.running ?? 0) > CROWD);
    this.drawHeader();
    this.bar.draw(model.run, total);
    if (this.hands.collapsed) this.compact.draw(model, this.now);
    if (model.seq >= 0) this.announcer.announce(this.watcher.look(model.run, total));
  }

  // A run that had ended before the page was opened is collapsed, unless it ended just now.
  isOld() {
    const { run, now } = this.model;
    return ENDED.has(run.status) && (now === null || Date.now() / 1000 - now > FRESH);
  }

  tick() {
    if (this.seen && this.hands.collapsed) this.compact.draw(this.model, this.now);
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

  /** Draw the result of a person's action. */
  moved() {
    this.change.moved = true;
    this.draw();
  }

  refused(message) {
    this.inspector.refused(message);
    this.hands.commander.refused(message);
    this.announcer.announce(message.message);
  }

  drawHeader() {
    const { hands, model, moment } = this;
    if (model.scene) this.header.draw(model, this.now, { commander: hands.commander, moment });
  }

  /** Collapse the view into one row, or open it again. */
  fold(on) {
    this.compact.el.hidden = !on;
    this.opened.hidden = on;
    if (on) this.compact.draw(this.model, this.now);
    else {
      this.change.all = this.change.run = true;
      this.layout();
      this.draw();
    }
  }

  destroy() {
    this.close?.();
    this.greeting.end();
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
 * Show a run in `el`, and update it with every message; return a function that removes the view.
 *
 * A transport has `send(message)`; `open(receive)`, which calls `receive` with every message of the kernel and returns
 * a function that closes the transport; and optionally `locate(cellId, line)`, which returns a function that shows the
 * cell.
 */
export function mount(el, transport) {
  const view = new View(el, transport);
  return () => view.destroy();
}
