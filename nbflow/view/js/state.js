// The state face: every key with its value at the moment, the keys that each step wrote, and the changes of the
// selected step.
//
// It requests only visible rows, one request at a time, and only while the face is visible; during a run at most twice
// a second.

import { h } from './dom.js';
import { clock } from './format.js';
import { ForkView } from './forkview.js';
import { stepName, StateData } from './statedata.js';
import { StateGrid } from './stategrid.js';
import { StepPanel } from './statestep.js';
import { ValueView } from './valueview.js';

const PAUSE = 500; // ms between two requests during a run
const SLIM = 760; // px: below this width the step covers the table
const LOST = 3000; // ms after which an unanswered request is sent again

export class StateFace {
  constructor({ actions, ask, prefix = 'nf-' }) {
    Object.assign(this, { actions, ask, data: new StateData(), moment: null, model: null, news: true, asked: 0, last: 0, timer: 0, opened: null, origin: null });
    const open = (key) => this.open(key);
    this.grid = new StateGrid({ id: `${prefix}key`, choose: (index) => actions.seek(this.data.steps[index].seq), open, moved: () => this.want() });
    this.panel = new StepPanel({ open, fork: () => this.fork(), close: () => this.cover(false) });
    this.value = new ValueView({ turn: (from) => this.look(from), close: () => this.back() });
    this.editor = new ForkView({ id: `${prefix}fork`, start: (state) => ask({ type: 'command', name: 'fork', at: this.origin, state }), close: () => this.back() });
    this.more = h('button', { class: 'nf-smore', type: 'button', onclick: () => this.cover(true) });
    this.none = h('p', { class: 'nf-mut nf-none', hidden: true });
    this.el = h('div', { class: 'nf-state' }, this.grid.el, this.none, this.more, this.panel.el, this.value.el, this.editor.el);
    this.el.addEventListener('keydown', (event) => this.key(event));
  }

  get types() {
    return ['state', 'value', 'editable', 'forked', 'refused'];
  }

  /** The selected step is shown beside the table, in the place of the inspector. */
  get wide() {
    return true;
  }

  show() {
    Object.assign(this, { data: new StateData(), moment: null, news: true, asked: 0, opened: null, origin: null });
    this.grid.show();
    this.value.hide();
    this.editor.hide();
    this.cover(false);
  }

  receive(message) {
    if (message.type === 'state') {
      this.asked = 0;
      this.data.take(message);
    } else if (message.type === 'value') {
      if (message.key === this.opened) this.showValue(message);
    } else if (message.type === 'editable') {
      if (message.at === this.origin) this.edit(message);
    } else if (message.type === 'forked') this.editor.forked(message.run_id);
    else if (message.name === 'fork') this.editor.refused(message.message);
  }

  // The editable state is requested again until the kernel has reached its moment, or another moment is shown.
  showValue(message) {
    if (!message.more) this.value.fill(message);
    else if (message.at === this.at) this.look(message.from);
  }

  edit(message) {
    if (message.more) this.askEditable();
    else this.editor.fill(message);
  }

  draw(model, { moment, change }) {
    const moved = this.moment?.seq !== moment?.seq;
    Object.assign(this, { model, moment });
    if (!change || change.all || change.run || change.nodes?.size) this.news = true;
    if (!model.connected) this.asked = 0;
    if (moved && this.opened !== null) this.look(0);
    this.redraw();
    this.want();
  }

  redraw() {
    const { data, model, moment } = this;
    const current = data.stepAt(moment?.seq ?? null);
    const empty = data.fault ?? (data.at !== undefined && !data.keys.length ? 'The state is empty.' : null);
    this.none.hidden = empty === null;
    this.none.textContent = empty ?? '';
    this.grid.el.hidden = empty !== null;
    if (empty === null) this.grid.draw(data, current, moment !== null);
    this.panel.draw(data, current, { started: model.run.started, past: moment !== null });
    this.more.textContent = current < 0 ? 'Before the first step' : `Step ${current + 1}, ${stepName(data.steps[current])}`;
  }

  tick() {
    this.want();
  }

  layout(narrow) {
    const width = this.el.clientWidth;
    const slim = narrow || (width > 0 && width < SLIM);
    this.grid.narrow = slim;
    this.el.classList.toggle('nf-slim', slim);
    if (this.model) this.redraw();
  }

  get at() {
    return this.moment?.seq ?? null;
  }

  /** Request missing data, unless a request is open; after its answer the newest moment is requested. */
  want() {
    if (!this.model || this.el.hidden) return;
    const known = this.data.covers(this.at, ...this.grid.range);
    const now = performance.now();
    if ((known && !(this.at === null && this.news)) || (this.asked && now - this.asked < LOST)) return;
    // A moment selected by a person is requested at once, changes of the run after a pause.
    if (known && now - this.last < PAUSE) {
      this.timer ||= setTimeout(() => {
        this.timer = 0;
        this.want();
      }, PAUSE);
      return;
    }
    this.question(now);
  }

  question(now) {
    this.asked = this.last = now;
    this.news = false;
    const { steps, keys } = this.data;
    this.ask({ type: 'state', at: this.at, after: steps.length, named: keys.length, rows: this.grid.range });
  }

  open(key) {
    this.opened = key;
    this.value.show(this.data.keys[key]);
    this.look(0);
  }

  look(from) {
    this.ask({ type: 'value', key: this.opened, at: this.at, from });
  }

  fork() {
    const { data, model, moment } = this;
    const current = data.stepAt(moment.seq);
    const time = model.run.started == null ? '' : ` at ${clock(moment.time - model.run.started)}`;
    this.editor.show(`from ${current < 0 ? 'the start' : `step ${current + 1}, ${stepName(data.steps[current])}`}${time}`);
    this.origin = moment.seq; // the moment to fork at, even if the slider moves meanwhile
    this.askEditable();
  }

  askEditable() {
    this.ask({ type: 'editable', at: this.origin });
  }

  /** On a narrow page the step covers the table. */
  cover(on) {
    this.el.classList.toggle('nf-covered', on);
    if (on) this.panel.body.focus({ preventScroll: true });
  }

  back() {
    this.opened = this.origin = null;
    this.value.hide();
    this.editor.hide();
    this.grid.focus();
  }

  key(event) {
    const over = this.opened !== null || this.origin !== null;
    if (event.key !== 'Escape' || !(over || this.el.classList.contains('nf-covered'))) return;
    if (over) this.back();
    else this.cover(false);
    event.stopPropagation();
    event.preventDefault();
  }

  destroy() {
    clearTimeout(this.timer);
  }
}
