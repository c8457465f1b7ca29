// Says `ready` until the kernel has told where the run stands.
//
// Patches that went before the page listened do not come again, and a kernel may hold `ready` back until its cell ends,
// as what comes over no subshell is: the next one then goes over the subshell that has opened since.

const FIRST = 1000; // ms until it is said again; then twice as long, and so on

export class Greeting {
  /** `send(message)` sends to the kernel; `later(act, ms)` and `never(timer)` are those of the page's clock. */
  constructor(send, { later = (act, ms) => setTimeout(act, ms), never = (timer) => clearTimeout(timer) } = {}) {
    Object.assign(this, { send, later, never, timer: null });
  }

  begin() {
    this.end();
    this.say(FIRST);
  }

  say(wait) {
    this.timer = this.later(() => this.say(2 * wait), wait); // before the answer, which may come at once
    this.send({ type: 'ready' });
  }

  /** The kernel has answered, or is gone. */
  end() {
    this.never(this.timer);
  }
}
