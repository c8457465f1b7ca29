// Send `ready` until the kernel answers with the state of the run.
//
// Patches sent before the page listened are lost, so the page asks for a snapshot. The kernel handles messages of its
// main shell only after the running cell has ended; a repeated `ready` may use a subshell that has opened meanwhile.

const FIRST = 1000; // ms until `ready` is sent again; doubled each time

export class Greeting {
  /** `send(message)` sends to the kernel; `later(act, ms)` starts a timer, `never(timer)` cancels it. */
  constructor(send, { later = (act, ms) => setTimeout(act, ms), never = (timer) => clearTimeout(timer) } = {}) {
    Object.assign(this, { send, later, never, timer: null });
  }

  begin() {
    this.end();
    this.say(FIRST);
  }

  say(wait) {
    this.timer = this.later(() => this.say(2 * wait), wait); // started first, since the answer may arrive during `send`
    this.send({ type: 'ready' });
  }

  /** Stop sending: the kernel has answered, or is disconnected. */
  end() {
    this.never(this.timer);
  }
}
