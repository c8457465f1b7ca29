// The timeline face: each attempt as a bar in the lane of its node, with zoom and pan, and the critical path below the
// bars. Changes are requested from the kernel only while the face is visible.
//
// The names of lanes are rows of elements, only for visible lanes; bars are drawn on one canvas over them. Bars of a
// live run grow a few times a second, or once a second with reduced motion.

import { Colours } from './colours.js';
import { h, setAttr, setText, still } from './dom.js';
import { ENDED } from './format.js';
import { LaneRows } from './lanerows.js';
import { ABOVE, LANE, LanePainter } from './lanes.js';
import { newest } from './model.js';
import { Spans } from './spans.js';
import { clampView, domainEnd, pan, revealTime, ticks, tickText, toX, zoom } from './scale.js';
import { Pointing } from './pointing.js';
import { Legend, Tip, tools } from './timelineparts.js';

const NAMES = { wide: 140, narrow: 112 }; // px
const COUNTS = 40; // px more if there are groups, for their counts
const MARGIN = 16; // px right of the plot
const NEWS = 500; // ms between two requests
const CATCH_UP = 100; // ms between two requests while a live run is far ahead
const GROWTH = 250; // ms between two frames in which bars grow
const ZOOM = 1.6;
const OPENED = 80; // nodes up to which groups are opened at first
const ACTIVE = new Set(['running', 'waiting', 'retrying', 'failed']);
const LOST = 5000; // ms after which an unanswered request is sent again

export class TimelineFace {
  constructor({ icons, prefix = icons.prefix, actions, ask }) {
    Object.assign(this, { icons, prefix, actions, ask, spans: new Spans(), zoomed: null, selected: null, narrow: false });
    Object.assign(this, { asked: 0, reached: 0, askTimer: 0, growTimer: 0, frame: 0, shownAt: 0, cursor: { index: 0, piece: null } });
    this.colours = new Colours(() => this.paintSoon());
    this.painter = new LanePainter();
    this.lanes = new LaneRows(this);
    this.rows = this.lanes.window;
    this.rows.el.addEventListener('scroll', () => this.paintSoon(), { passive: true });
    this.axis = h('div', { class: 'nf-tl-scale', 'aria-hidden': 'true' });
    this.tip = new Tip();
    this.legend = new Legend(prefix);
    this.el = h('div', { class: 'nf-timeline' }, this.colours.el,
      h('div', { class: 'nf-tl-axis' }, tools(this), this.axis), this.rows.el, this.painter.el, this.legend.el, this.tip.el);
    this.pointing = new Pointing(this);
  }

  get types() {
    return ['spans'];
  }

  show(scene) {
    this.spans.reset();
    this.scene = scene;
    Object.assign(this, { zoomed: null, model: null, reached: 0, asked: 0, placed: false, cursor: { index: 0, piece: null } });
    this.lanes.forget();
  }

  receive(message) {
    this.asked = 0;
    this.spans.take(message);
    this.lanes.forget();
    if (message.groups) this.layout(this.narrow);
  }

  draw(model, { now, selected, moment }) {
    const chosen = selected !== this.selected;
    Object.assign(this, { model, moment, selected, now, drawnAt: performance.now() });
    this.news();
    if (chosen) this.reveal(this.spans.placeOf(selected));
    this.paint();
    this.place();
    this.grow();
  }

  tick(model, now) {
    this.draw(model, { now, selected: this.selected, moment: this.moment });
  }

  layout(narrow) {
    this.narrow = narrow;
    this.el.style.setProperty('--names', `${this.names}px`);
    this.paintSoon();
  }

  // -- requests to the kernel -----------------------------------------------------------------------------------------

  get live() {
    return Boolean(this.model) && !this.moment && this.model.run.started != null && !ENDED.has(this.model.run.status);
  }

  /** Request changes, at most twice a second, or at once if an answer said that there are more. */
  news() {
    const { spans, model } = this;
    const behind = spans.more || model.seq > spans.seq;
    const heard = !this.asked || performance.now() - this.asked > LOST;
    if (this.askTimer || !heard || !behind || !model.connected || this.scene?.run_id === null) return;
    const pace = !spans.more ? NEWS : this.live && spans.seq ? CATCH_UP : 0;
    const wait = Math.max(0, pace - (performance.now() - this.shownAt));
    if (wait === 0) this.question();
    else {
      this.askTimer = setTimeout(() => {
        this.askTimer = 0;
        if (this.looked) this.question();
      }, wait);
    }
  }

  question() {
    this.asked = this.shownAt = performance.now();
    this.ask({ type: 'spans', after: this.spans.seq });
  }

  get looked() {
    return this.el.isConnected && this.el.clientWidth > 0;
  }

  // -- time -----------------------------------------------------------------------------------------------------------

  /** The seconds of the run at the moment shown, or now. */
  get upto() {
    const { model, moment, spans } = this;
    const started = model?.run.started;
    if (started == null) return { seq: Infinity, time: spans.extent };
    if (moment) return { seq: moment.seq, time: moment.clock ?? moment.time - started };
    if (!this.live) return { seq: Infinity, time: Math.max(spans.extent, model.run.elapsed ?? 0) };
    const now = model.connected ? this.now + (performance.now() - this.drawnAt) / 1000 : model.now ?? this.now;
    return { seq: Infinity, time: Math.max(spans.extent, now - started) };
  }

  /** The end of the axis: the end of the run, or now; a past moment does not change it. */
  get end() {
    const { spans, live, moment, model } = this;
    if (!moment) this.reached = domainEnd(live ? this.upto.time : Math.max(spans.extent, model?.run.elapsed ?? 0), live, this.plot);
    return Math.max(this.reached, spans.extent);
  }

  get view() {
    return this.zoomed ?? { from: 0, to: this.end };
  }

  /** The width of the names' column, in px. */
  get names() {
    return (this.narrow ? NAMES.narrow : NAMES.wide) + (this.spans.groups.length ? COUNTS : 0);
  }

  get plot() {
    return Math.max(1, this.rows.el.clientWidth - this.names - MARGIN);
  }

  /** Show another view; one as wide as the whole run follows the run. */
  look(view) {
    this.zoomed = view.to - view.from >= this.end * 0.9999 ? null : view;
    this.paintSoon();
  }

  zoom(factor, x = this.plot / 2) {
    const { view, end } = this;
    this.look(zoom(view, factor, view.from + (x / this.plot) * (view.to - view.from), end));
  }

  pan(px) {
    if (this.zoomed) this.look(pan(this.zoomed, px, this.plot, this.end));
  }

  press(tool) {
    if (tool === 'fit') this.look({ from: 0, to: this.end });
    else this.zoom(tool === 'in' ? ZOOM : 1 / ZOOM);
  }

  // -- drawing --------------------------------------------------------------------------------------------------------

  paintSoon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      if (this.model && this.looked) this.paint();
    });
  }

  paint() {
    const { spans, plot, rows } = this;
    if (!this.looked) return;
    if (this.zoomed) this.zoomed = clampView(this.zoomed, this.end);
    const [lanes, view, upto] = [spans.visible, this.view, this.upto];
    this.lanes.draw(lanes);
    const nodes = (lane) => (lane.outermost ? this.model.node(lane.path) : null);
    this.painter.resize(rows.el.clientWidth - this.names, rows.el.clientHeight);
    this.painter.paint({ spans, lanes, view, upto, plot, top: rows.el.scrollTop, nodes, focus: this.cursor.piece }, this.colours.all);
    this.drawAxis(view, plot);
    this.legend.draw(spans, upto.time);
    this.tip.draw(this);
  }

  drawAxis(view, plot) {
    const { step, at } = ticks(view, plot);
    while (this.axis.childElementCount < at.length) this.axis.append(h('span', { class: 'nf-num' }));
    [...this.axis.children].forEach((label, i) => {
      label.hidden = i >= at.length;
      if (label.hidden) return;
      setText(label, tickText(at[i], step, this.end));
      const x = toX(at[i], view, plot);
      label.style.transform = x < 16 ? `translateX(${x}px)` : `translateX(${x}px) translateX(-50%)`;
    });
  }

  // No frame is drawn for growth below half a pixel, nor later than a second after the last tick.
  grow() {
    if (this.growTimer || !this.live || still()) return;
    this.growTimer = setTimeout(() => {
      this.growTimer = 0;
      if (!this.live || !this.looked || performance.now() - this.drawnAt > 1500) return;
      const moved = (GROWTH / 1000 / (this.view.to - this.view.from)) * this.plot;
      if (moved >= 0.5 && !document.hidden) this.paintSoon();
      this.grow();
    }, GROWTH);
  }

  // -- cursor and selection -------------------------------------------------------------------------------------------

  reveal(index) {
    if (index < 0) return;
    this.cursor = { index, piece: null };
    this.bring(index);
  }

  /** Scroll by the smallest amount that makes a lane visible. */
  bring(index) {
    const { el } = this.rows;
    const top = ABOVE + index * LANE;
    if (top < el.scrollTop) el.scrollTop = top - ABOVE;
    else if (top + LANE > el.scrollTop + el.clientHeight) el.scrollTop = top + LANE + ABOVE - el.clientHeight;
  }

  // At first the groups with active nodes are opened, if their nodes are few, and a live run is scrolled to its active
  // nodes; after that only a person opens and scrolls.
  place() {
    const { spans, model } = this;
    if (this.placed || spans.more || !this.looked) return;
    this.placed = true;
    if (spans.roots.length <= OPENED) spans.openWhere((id) => ACTIVE.has(model.node(id).status));
    if (this.live && this.selected === null) this.reveal(spans.placeOf(newest(model)));
    this.paint();
  }

  /** The x at which the bar of a piece starts, in px of the face. */
  pointOf(piece, lane) {
    const x = Math.max(0, Math.min(this.plot, toX(piece.begin, this.view, this.plot)));
    const y = ABOVE + this.spans.visible.indexOf(lane) * LANE - this.rows.el.scrollTop;
    return { x: this.names + x, y: this.rows.el.offsetTop + y };
  }

  /** Move the keyboard cursor to a lane and one of its pieces, and make both visible. */
  moveTo(index, piece) {
    this.reveal(index);
    this.cursor = { index, piece };
    if (piece && this.zoomed) this.zoomed = revealTime(this.zoomed, piece.begin, piece.end ?? piece.begin, this.end);
    this.tip.show(piece, this.spans.visible[index], { spoken: true });
    this.paint();
    setAttr(this.rows.el, 'aria-activedescendant', `${this.prefix}lane${this.spans.visible[index]?.number}`);
  }

  toggle(lane) {
    if (!this.spans.toggle(lane)) return;
    this.paint();
    if (!lane.open) return;
    const at = this.spans.visible.indexOf(lane);
    this.bring(at + lane.inside.length);
    this.bring(at);
  }

  choose(lane, { seek = null } = {}) {
    if (seek) this.actions.seek(seek.seq);
    else if (lane.kind === 'group') this.toggle(lane);
    else this.actions.select(lane.root === this.selected ? null : lane.root);
  }

  destroy() {
    this.colours.destroy();
    clearTimeout(this.askTimer);
    clearTimeout(this.growTimer);
    cancelAnimationFrame(this.frame);
  }
}
