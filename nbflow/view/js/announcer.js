// Announcements for screen readers in a polite live region: at most one line every five seconds, the newest one. Pure:
// clock and timer are arguments.

import { ENDED } from './format.js';

const GAP = 5000;

/** Returns a sentence for the change since the last call, if it is worth one; each quarter of the progress once. */
export class Watcher {
  constructor(title) {
    this.title = title;
    this.status = null;
    this.counts = {};
    this.quarter = 0;
  }

  look(run, total) {
    const sentence = this.sentence(run, total);
    this.status = run.status;
    this.counts = run.counts;
    return sentence;
  }

  sentence(run, total) {
    const more = (status) => (run.counts[status] ?? 0) > (this.counts[status] ?? 0);
    const first = this.status === null;
    const over = (run.counts.completed ?? 0) + (run.counts.skipped ?? 0);
    const quarter = total ? Math.floor((over / total) * 4) : 0;
    const passed = quarter > this.quarter && quarter < 4;
    this.quarter = Math.max(quarter, this.quarter);
    if (first) return null;
    if (ENDED.has(run.status) && run.status !== this.status) return `${this.title} ${run.status}`;
    if (more('waiting')) return `${this.title}: ${run.counts.waiting} waiting for you`;
    if (more('failed')) return `${this.title}: ${run.counts.failed} failed`;
    return passed ? `${this.title}: ${quarter * 25} percent done` : null;
  }
}

export class Announcer {
  constructor(say, { now = Date.now, later = (call, ms) => setTimeout(call, ms), cancel = (timer) => clearTimeout(timer) } = {}) {
    Object.assign(this, { say, now, later, cancel, last: -Infinity, next: null, timer: null });
  }

  announce(text) {
    if (!text) return;
    this.next = text;
    if (this.timer === null) this.timer = this.later(() => this.speak(), Math.max(0, this.last + GAP - this.now()));
  }

  speak() {
    this.timer = null;
    this.last = this.now();
    this.say(this.next);
  }

  stop() {
    if (this.timer !== null) this.cancel(this.timer);
    this.timer = null;
  }
}
