// What the page knows of a run's steps and keys: kernel answers folded into plain data. Pure.

import { firstThat } from './search.js';

export const MARKS = ['set', 'changed', 'added to'];

export class StateData {
  constructor() {
    // Of a step: {seq, time, node, visit, marks: Map of a key's place to how it was written}.
    Object.assign(this, { steps: [], keys: [], of: 0, named: 0, more: false, values: new Map(), at: undefined, rows: [0, 0], step: null, fault: null });
  }

  /** Whether the kernel has told of steps or keys that it has not sent yet, or of more events than it has gone through. */
  get behind() {
    return this.more || this.steps.length < this.of || this.keys.length < this.named;
  }

  /** Fold in an answer to `state`; one that does not join what is known is dropped, and asked for again. */
  take(message) {
    this.fault = message.fault ?? null;
    if (this.fault !== null) this.at = message.at;
    else this.join(message);
  }

  // Until the kernel is at the moment that was asked for, what is shown stays.
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

  /** Whether the values of these rows at this moment are known; a fault is all that there is to know. */
  covers(at, first, last) {
    if (this.fault !== null) return at === this.at;
    return !this.behind && at === this.at && first >= this.rows[0] && Math.min(last, this.keys.length) <= this.rows[1];
  }

  /** The index of the last step up to a moment, -1 before the first; null is now. */
  stepAt(seq) {
    return (seq === null ? this.steps.length : firstThat(this.steps, (one) => one.seq > seq)) - 1;
  }

  mark(key, index) {
    return this.steps[index]?.marks.get(key);
  }
}

const step = ([seq, time, node, visit, marks]) => ({ seq, time, node, visit, marks: new Map(marks) });

/** How many columns of steps there is room for. */
export const fitting = (width, { total, taken, column, most = Infinity }) =>
  Math.max(1, Math.min(total, most, Math.floor((width - taken) / column)));

/** The first column to show so that `current` is in sight, as near as may be to the one that is first now. */
export function firstColumn(first, { current, fit, total }) {
  const kept = Math.max(0, Math.min(first, total - fit));
  if (current < 0) return kept;
  return Math.max(current - fit + 1, Math.min(kept, current));
}

/** A step's number as its column's title: five figures stand over two columns, and the chosen one always stands. */
export function columnTitle(index, current, total) {
  if (total < 1000 || index === current) return String(index + 1);
  return (index + 1) % 2 === 0 && Math.abs(index - current) > 1 ? String(index + 1) : '';
}

/** "run_tests, visit 3"; an edit has no node. */
export function stepName({ node, visit }) {
  if (node === null) return 'edited by a person';
  return visit > 1 ? `${node}, visit ${visit}` : node;
}
