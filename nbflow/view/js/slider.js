// The slider below the faces: the run's time from its start to the present. Events are ticks below the line, failures
// crosses above it. The knob is at the moment that all faces show; at the right end it is the present.

import { h, s, setAttr, setText } from './dom.js';
import { clock, ENDED } from './format.js';
import { controlIcon } from './icons.js';

const PAGE = 0.1; // share of the whole time that Page Up and Page Down move
const KEYS = {
  ArrowLeft: (at) => at.step(-1),
  ArrowDown: (at) => at.step(-1),
  ArrowRight: (at) => at.step(1),
  ArrowUp: (at) => at.step(1),
  PageDown: (at) => at.jump(-PAGE),
  PageUp: (at) => at.jump(PAGE),
  Home: (at) => at.jump(-1),
  End: (at) => at.live(),
};

export class Slider {
  constructor(travel) {
    Object.assign(this, { travel, span: 0, width: 0, drawn: '' });
    const button = (name, title, act) =>
      h('button', { class: 'nf-step', type: 'button', 'aria-label': title.split(' (')[0], title, onclick: act }, controlIcon(name));
    [this.ticks, this.crosses] = [s('path', { class: 'nf-ticks' }), s('path', { class: 'nf-crosses' })];
    const marks = s('svg', { 'aria-hidden': 'true' }, this.ticks, this.crosses);
    [this.fill, this.knob] = [h('i', { class: 'nf-past' }), h('i', { class: 'nf-knob' })];
    this.track = h('div', { class: 'nf-track', role: 'slider', tabindex: '0', 'aria-label': 'Moment of the run', 'aria-valuemin': 0,
      onkeydown: (event) => this.key(event), onpointerdown: (event) => this.press(event) },
    marks, h('i', { class: 'nf-line' }), this.fill, this.knob);
    [this.at, this.of] = [h('b'), h('span', { class: 'nf-mut' })];
    this.word = h('span');
    this.button = h('button', { class: 'nf-live', type: 'button', title: 'Show the run as it is now (l)', onclick: () => travel.live() }, h('i'), this.word);
    this.el = h('div', { class: 'nf-foot' }, button('back', 'Previous event ([)', () => travel.step(-1)),
      button('forth', 'Next event (])', () => travel.step(1)), this.track, h('span', { class: 'nf-now nf-num' }, this.at, this.of), this.button);
  }

  /** Draw the slider: `now` is the kernel's clock, the moment comes from `Travel`. */
  draw({ run }, now) {
    const { moment } = this.travel;
    this.ended = ENDED.has(run.status);
    this.span = run.elapsed ?? (run.started == null ? 0 : Math.max(0, now - run.started));
    this.drawMarks();
    const part = moment && this.span ? Math.min(1, moment.clock / this.span) : 1;
    this.fill.style.width = this.knob.style.left = `${part * 100}%`;
    const whole = run.started == null ? '' : clock(this.span);
    setText(this.at, moment ? clock(moment.clock) : '');
    setText(this.of, moment ? ` of ${whole}` : whole);
    setText(this.word, this.ended ? (moment ? 'To the end' : 'End') : moment ? 'Go live' : 'Live');
    setAttr(this.button, 'class', `nf-live${this.ended ? ' ended' : ''}`);
    this.button.disabled = !moment;
    this.tell(moment, whole);
  }

  tell(moment, whole) {
    const place = moment ? `${clock(moment.clock)} of ${whole}, past` : `${whole}, ${this.ended ? 'the end' : 'live'}`;
    setAttr(this.track, 'aria-valuemax', Math.round(this.span * 1000));
    setAttr(this.track, 'aria-valuenow', Math.round((moment?.clock ?? this.span) * 1000));
    setAttr(this.track, 'aria-valuetext', place);
  }

  // Each kind of mark is one path, written again only if marks, time or width changed.
  drawMarks() {
    const { history } = this.travel;
    const width = this.width || this.layout();
    const now = `${history.length} ${history.heard.length} ${this.span.toFixed(1)} ${width}`;
    if (now === this.drawn || !width) return;
    this.drawn = now;
    const { events, failures } = history.ticks(this.span, width);
    setAttr(this.ticks, 'd', events.map((x) => `M${x + 0.5} 26v4`).join(''));
    setAttr(this.crosses, 'd', failures.map((x) => `M${x - 2.5} 5l5 5m-5 0l5-5`).join(''));
  }

  layout() {
    this.width = this.track.clientWidth;
    return this.width;
  }

  jump(part) {
    const from = this.travel.moment?.clock ?? this.span;
    this.travel.seekClock(Math.max(0, from + part * this.span));
  }

  step(by) {
    this.travel.step(by);
  }

  live() {
    this.travel.live();
  }

  key(event) {
    const act = KEYS[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    act(this);
    event.preventDefault();
    event.stopPropagation();
  }

  press(event) {
    if (event.button !== 0 || !this.span) return;
    const { left, width } = this.track.getBoundingClientRect();
    const go = ({ clientX }) => {
      const part = (clientX - left) / width;
      if (part >= 1) this.travel.live();
      else this.travel.seekClock(Math.max(0, part) * this.span);
    };
    const end = () => this.track.removeEventListener('pointermove', go);
    this.track.setPointerCapture(event.pointerId);
    this.track.addEventListener('pointermove', go);
    for (const name of ['pointerup', 'pointercancel']) this.track.addEventListener(name, end, { once: true });
    go(event);
  }
}
