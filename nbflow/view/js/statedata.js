// The steps and keys of a run on the page: kernel answers folded into plain data. Pure.

import { firstThat } from './search.js';

export const MARKS = ['set', 'changed', 'added to'];

export class StateData {
  constructor() {
    // A step is {seq, time, node, visit, marks}, where `marks` maps the index of a key to the way it was written.
    Object.assign(this, { steps: [], keys: [], of: 0, named: 0, more: false, values: new Map(), at: undefined, rows: [0, 0], step: null, fault: null });
  }

  /** True if the kernel has steps or keys that it has not sent, or events that it has not folded. */
  get behind() {
    return this.more || this.steps.length < this.of || this.keys.length < this.named;
  }

  /** Apply an answer to `state`; one that does not start where the known steps end is dropped and requested again. */
  take(message) {
    this.fault = message.fault ?? null;
    if (this.fault !== null) this.at = message.at;
    else this.join(message);
  }

  // The values on the page stay until the kernel has reached the requested moment.
  join(message) {
    [this.of, this.named, this.more] = [message.of, message.keys, message.more];
    if (message.after === this.steps.length) this.steps.push(...message.steps.map(step));
    if (message.named === this.keys.length) this.keys.push(...message.names);
    if (!message.values) return;
    this.at = message.at;
    this.rows = [message.first, message.first + message.values.length];
    this.values = new Map(message.values.map((value, index) => [message.first + index, value]));
    this.step = message.step;
  }

  /** True if the values of these rows at this moment are known, or the kernel answered with a fault. */
  covers(at, first, last) {
    if (this.fault !== null) return at === this.at;
    return !this.behind && at === this.at && first >= this.rows[0] && Math.min(last, this.keys.length) <= this.rows[1];
  }

  /** The index of the last step up to a moment, -1 before the first; a moment of null is the present. */
  stepAt(seq) {
    return (seq === null ? this.steps.length : firstThat(this.steps, (one) => one.seq > seq)) - 1;
  }

  mark(key, index) {
    return this.steps[index]?.marks.get(key);
  }
}

const step = ([seq, time, node, visit, marks]) => ({ seq, time, node, visit, marks: new Map(marks) });

/** The number of columns of steps that fit. */
export const fitting = (width, { total, taken, column, most = Infinity }) =>
  Math.max(1, Math.min(total, most, Math.floor((width - taken) / column)));

/** The first column to show so that `current` is visible, as near as possible to the present first column. */
export function firstColumn(first, { current, fit, total }) {
  const unmoved = Math.max(0, Math.min(first, total - fit));
  if (current < 0) return unmoved;
  return Math.max(current - fit + 1, Math.min(unmoved, current));
}

/** The title of a step's column: its number, if it fits (five digits take two columns) or the step is selected. */
export function columnTitle(index, current, total) {
  if (total < 1000 || index === current) return String(index + 1);
  return (index + 1) % 2 === 0 && Math.abs(index - current) > 1 ? String(index + 1) : '';
}

/** "run_tests, visit 3"; an edit has no node. */
export function stepName({ node, visit }) {
  if (node === null) return 'edited by a person';
  return visit > 1 ? `${node}, visit ${visit}` : node;
}
