// Which moment of the run is shown: now, or one of its past. The past is fetched when somebody moves the slider, a
// page at a time; what is wished for and not here yet is shown as soon as it is.

import { History } from './history.js';

export class Travel {
  /** `ask(message)` sends to the kernel; `changed()` is called when another moment is to be drawn. */
  constructor({ ask, changed }) {
    Object.assign(this, { ask, changed, history: new History() });
    this.forget(null);
  }

  forget(scene) {
    this.history = new History(scene);
    Object.assign(this, { asked: false, goal: 0 });
    this.back();
  }

  // Forget the moment, not the history.
  back() {
    Object.assign(this, { index: null, model: null, moment: null, wish: null, behind: 0, told: null, asking: null });
  }

  /** What the page hears of the run by itself: how far it is and, for nothing, the marks of a run that lives. */
  hear({ type, seq, now, nodes }, run) {
    if (type === 'patch' && run.started != null) {
      const failed = Object.values(nodes ?? {}).some(({ status }) => status === 'failed' || status === 'retrying');
      this.history.hear(seq, (now ?? run.started) - run.started, failed);
    }
    this.history.of = Math.max(this.history.of, seq);
  }

  /** Fetch what is not here of what has happened up to now; a run that goes on is not followed. */
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

  /** The kernel was lost: what it was asked it will not answer. */
  lost() {
    this.asked = false;
    this.asking = null;
  }

  // Show a moment as soon as it is here, and until then the nearest that is, where it is one on the way. `find` tells its
  // index, `here` whether that is settled before all is here that has happened up to now.
  goTo(find, here = () => false, nearest = true) {
    this.fetch();
    const { goal, history } = this;
    this.wish = () => {
      const settled = history.seq >= goal || here();
      if (settled) this.wish = null;
      if (history.length && (settled || nearest)) this.stand(find());
    };
    this.wish();
  }

  stand(index) {
    const at = Math.max(0, Math.min(index, this.history.length - 1));
    if (at === this.index) return;
    this.index = at;
    this.model = this.history.at(at);
    this.moment = { seq: this.history.seqs[at], time: this.model.now, clock: this.history.clocks[at] };
    if (this.told) this.model.details.set(this.told.node, this.told.data);
    this.changed();
  }

  /** Show the run after event `seq`; null is now. */
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

  /** Go some events on or back; the last one is now. */
  step(by) {
    const { history, index } = this;
    const last = history.length - 1;
    if (index === null) {
      this.behind = Math.min(0, this.behind + by); // what is pressed before the past is here adds up
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

  /** Ask for a node as it was then, and on where the kernel is not there yet; only one question is on its way. */
  inspect(node) {
    if (!this.moment || node === null || this.asking) return;
    if (this.told?.node === node && this.told.at === this.moment.seq) return;
    this.asking = { node, at: this.moment.seq };
    this.ask({ type: 'inspect', ...this.asking });
  }

  learn(message) {
    this.asking = null;
    if (!this.moment) return;
    if (!message.more) {
      this.told = message;
      this.model.details.set(message.node, message.data);
    }
    this.changed();
  }
}
