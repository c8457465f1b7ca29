// Call a function once a second while the run is running, just after the run's clock has reached a full second.

import { ENDED } from './format.js';

export class Ticker {
  constructor(beat) {
    Object.assign(this, { beat, timer: 0 });
  }

  /** Schedule the next call; `now` is the kernel's time in seconds. */
  next({ run, connected }, now) {
    if (this.timer || !connected || ENDED.has(run.status) || run.started == null) return;
    const into = ((now - run.started) * 1000) % 1000;
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.beat();
    }, 1010 - into);
  }

  stop() {
    clearTimeout(this.timer);
  }
}
