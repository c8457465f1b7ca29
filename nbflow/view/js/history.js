// The past of the run on the page: the patch of each event, and checkpoints (copies of the model) at regular distances,
// so that any moment is computed from the nearest checkpoint before it and the patches since. Pure.

import { Change, Model } from './model.js';
import { firstThat } from './search.js';

const EVERY = 256; // steps between two checkpoints, more for a large graph
const PIXELS = 4096; // the width of the widest slider, for which marks are thinned

/** The last index of an ascending list whose value is at most the given one; -1 if there is none. */
export const lastUpTo = (list, value) => firstThat(list, (one) => one > value) - 1;

export class History {
  constructor(scene = null) {
    Object.assign(this, { scene, seq: 0, of: 0, steps: [], checkpoints: [], last: null });
    this.every = Math.max(EVERY, (scene?.order.length ?? 0) >> 1);
    Object.assign(this, { seqs: [], clocks: [], failed: [], heard: [] });
  }

  /** True if the page has the steps of all events that it knows of. */
  get complete() {
    return this.last !== null && this.seq >= this.of;
  }

  /** Append the kernel's answer; one that does not start where the steps end is ignored. */
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
    if (this.steps.length % this.every === 0) this.checkpoints.push(this.last.copy());
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

  /** Record a mark for an event that the page saw live, until its step is fetched. */
  hear(seq, clock, failed) {
    if (seq <= Math.max(this.seq, this.heard.at(-1)?.seq ?? 0)) return;
    this.heard.push({ seq, clock, failed });
    if (this.heard.length > 4 * PIXELS) this.thin(clock);
  }

  // Retain one mark, and one failure, for each pixel of a line of `span` seconds: the last of each.
  thin(span) {
    const pixel = ({ clock, failed }) => `${Math.round((clock / span) * PIXELS)} ${failed}`;
    this.heard = [...new Map(this.heard.map((mark) => [pixel(mark), mark])).values()];
  }

  /** The number of steps on the page. */
  get length() {
    return this.steps.length;
  }

  /** The index of the last step at or before event `seq`, or -1. */
  indexOf(seq) {
    return lastUpTo(this.seqs, seq);
  }

  /** The index of the last step up to a time, in seconds since the run's start; -1 if there is none. */
  indexAt(clock) {
    return lastUpTo(this.clocks, clock);
  }

  /** A new Model of the run after a step. */
  at(index) {
    const nearest = Math.floor(index / this.every);
    const model = this.checkpoints[nearest].copy();
    for (let i = nearest * this.every; i <= index; i += 1) model.lay(this.steps[i]);
    return model;
  }

  /** The pixels of events and of failures on a line of `width` px for `span` seconds, each once. */
  ticks(span, width) {
    const [events, failures] = [new Set(), new Set()];
    const add = (clock, failed) => {
      const x = Math.round((Math.min(clock, span) / span) * width);
      (failed ? failures : events).add(x);
    };
    if (span > 0) {
      this.clocks.forEach((clock, i) => add(clock, this.failed[i]));
      for (const { clock, failed } of this.heard) add(clock, failed);
    }
    return { events: [...events], failures: [...failures] };
  }
}
