// The run's past on the page: one change per event, and every so often the whole, so that any moment is put together
// from the nearest whole before it and the changes since. Pure.

import { Change, Model } from './model.js';
import { firstThat } from './search.js';

const EVERY = 256; // steps between two wholes, more where a whole is large
const PLACES = 4096; // on a line that is as wide as any screen

/** The last index of a rising list whose value is not above the given one; -1 where all are above. */
export const lastUpTo = (list, value) => firstThat(list, (one) => one > value) - 1;

export class History {
  constructor(scene = null) {
    Object.assign(this, { scene, seq: 0, of: 0, steps: [], wholes: [], last: null });
    this.every = Math.max(EVERY, (scene?.order.length ?? 0) >> 1);
    Object.assign(this, { seqs: [], clocks: [], failed: [], heard: [] });
  }

  /** Whether all is here that is known to have happened. */
  get complete() {
    return this.last !== null && this.seq >= this.of;
  }

  /** Take the kernel's answer; one that does not go on where this ends is passed over. */
  receive({ after, seq, of, base, steps }) {
    if (after !== this.seq || (after === 0 && !base)) return;
    if (after === 0) this.begin(base);
    for (const step of steps) this.add(step);
    this.seq = seq;
    this.of = Math.max(this.of, of);
    this.heard = this.heard.filter((mark) => mark.seq > seq);
  }

  begin(base) {
    this.last = new Model();
    this.last.scene = this.scene;
    this.last.on_snapshot({ ...base, seq: 0 }, new Change());
  }

  add([seq, time, patch, failed]) {
    if (this.steps.length % this.every === 0) this.wholes.push(this.last.copy());
    const step = { seq, now: time, ...patch };
    this.steps.push(step);
    this.last.lay(step);
    this.mark(seq, time - (this.last.run.started ?? time), Boolean(failed));
  }

  mark(seq, clock, failed) {
    this.seqs.push(seq);
    this.clocks.push(Math.max(clock, this.clocks.at(-1) ?? 0));
    this.failed.push(failed);
  }

  /** Note an event the page saw by itself, as a mark for as long as its step is not here. */
  hear(seq, clock, failed) {
    if (seq <= Math.max(this.seq, this.heard.at(-1)?.seq ?? 0)) return;
    this.heard.push({ seq, clock, failed });
    if (this.heard.length > 4 * PLACES) this.thin(clock);
  }

  // Of the marks that a line of `span` seconds shows at one place the last stays, of failures and of others.
  thin(span) {
    const place = ({ clock, failed }) => `${Math.round((clock / span) * PLACES)} ${failed}`;
    this.heard = [...new Map(this.heard.map((mark) => [place(mark), mark])).values()];
  }

  /** How many steps are here. */
  get length() {
    return this.steps.length;
  }

  /** The index of the step after which event `seq` had happened, or -1. */
  indexOf(seq) {
    return lastUpTo(this.seqs, seq);
  }

  /** The index of the last step up to a time of the run, in seconds since its start; -1 where there is none. */
  indexAt(clock) {
    return lastUpTo(this.clocks, clock);
  }

  /** The run as it stood after a step: a Model of its own. */
  at(index) {
    const whole = Math.floor(index / this.every);
    const model = this.wholes[whole].copy();
    for (let i = whole * this.every; i <= index; i += 1) model.lay(this.steps[i]);
    return model;
  }

  /** Where on a line of `width` px, `span` seconds long, events and failures stand: each pixel once. */
  ticks(span, width) {
    const [events, failures] = [new Set(), new Set()];
    const place = (clock, failed) => {
      const x = Math.round((Math.min(clock, span) / span) * width);
      (failed ? failures : events).add(x);
    };
    if (span > 0) {
      this.clocks.forEach((clock, i) => place(clock, this.failed[i]));
      for (const { clock, failed } of this.heard) place(clock, failed);
    }
    return { events: [...events], failures: [...failures] };
  }
}
