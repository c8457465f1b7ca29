// The moment of the run that is shown: the present, or a past one. The past is fetched in pages once a person moves the
// slider; a requested moment that has not been fetched yet is shown as soon as it has.

import { History } from './history.js';

export class Travel {
  /** `ask(message)` sends to the kernel; `changed()` is called when another moment must be drawn. */
  constructor({ ask, changed }) {
    Object.assign(this, { ask, changed, history: new History() });
    this.forget(null);
  }

  forget(scene) {
    this.history = new History(scene);
    Object.assign(this, { asked: false, goal: 0 });
    this.back();
  }

  // Return to the present; the history is retained.
  back() {
    Object.assign(this, { index: null, model: null, moment: null, wish: null, behind: 0, details: null, asking: null });
  }

  /** Take a live message of the kernel: the number of events and, without a request, the marks of new events. */
  hear({ type, seq, now, nodes }, run) {
    if (type === 'patch' && run.started != null) {
      const failed = Object.values(nodes ?? {}).some(({ status }) => status === 'failed' || status === 'retrying');
      this.history.hear(seq, (now ?? run.started) - run.started, failed);
    }
    this.history.of = Math.max(this.history.of, seq);
  }

  /** Fetch the history up to the present event; events after this call are not fetched. */
  fetch() {
    this.goal = this.history.of;
    if (!this.asked && this.history.seq < this.goal) this.pull();
  }

  pull() {
    this.asked = true;
    this.ask({ type: 'history', after: this.history.seq });
  }

  receive(message) {
    if (message.type === 'history') this.extend(message);
    else if (message.type === 'inspector' && message.at != null) this.learn(message);
  }

  extend(message) {
    const { history } = this;
    const before = history.seq;
    this.asked = false;
    history.receive(message);
    this.wish?.();
    if (!this.asked && history.seq > before && history.seq < this.goal) this.pull();
    this.changed();
  }

  /** Forget open requests, since the kernel was lost and will not answer them. */
  lost() {
    this.asked = false;
    this.asking = null;
  }

  // Show a moment as soon as it is fetched, and until then, with `nearest`, the nearest fetched one. `find` returns its
  // index; `here` returns true if the index is final although the history is not complete.
  goTo(find, here = () => false, nearest = true) {
    this.fetch();
    const { goal, history } = this;
    this.wish = () => {
      const settled = history.seq >= goal || here();
      if (settled) this.wish = null;
      if (history.length && (settled || nearest)) this.showStep(find());
    };
    this.wish();
  }

  showStep(index) {
    const at = Math.max(0, Math.min(index, this.history.length - 1));
    if (at === this.index) return;
    this.index = at;
    this.model = this.history.at(at);
    this.moment = { seq: this.history.seqs[at], time: this.model.now, clock: this.history.clocks[at] };
    if (this.details) this.model.details.set(this.details.node, this.details.data);
    this.changed();
  }

  /** Show the run after event `seq`, null for the present. */
  seek(seq) {
    const { history } = this;
    if (seq === null) this.live();
    else this.goTo(() => history.indexOf(seq), () => history.seq >= seq);
  }

  /** Show the run at a time, in seconds since its start. */
  seekClock(clock) {
    const { history } = this;
    this.goTo(() => history.indexAt(clock), () => history.clocks.at(-1) > clock);
  }

  /** Move some steps forwards or backwards; the last step is the present. */
  step(by) {
    const { history, index } = this;
    const last = history.length - 1;
    if (index === null) {
      this.behind = Math.min(0, this.behind + by); // presses before the history is fetched add up
      if (this.behind === 0) this.live();
      else this.goTo(() => history.length - 1 + this.behind, undefined, false);
    }
    else if (index + by < last) this.goTo(() => index + by, () => true);
    else if (history.complete) this.live();
    else this.goTo(() => index + by);
  }

  live() {
    this.back();
    this.changed();
  }

  /** Request a node's details at the moment, again while the kernel has not reached it; one request at a time. */
  inspect(node) {
    if (!this.moment || node === null || this.asking) return;
    if (this.details?.node === node && this.details.at === this.moment.seq) return;
    this.asking = { node, at: this.moment.seq };
    this.ask({ type: 'inspect', ...this.asking });
  }

  learn(message) {
    this.asking = null;
    if (!this.moment) return;
    if (!message.more) {
      this.details = message;
      this.model.details.set(message.node, message.data);
    }
    this.changed();
  }
}
