// What a person asks of the run: sent to the kernel, asked twice before a stop, and perhaps refused.

export class Commander {
  /** `send(message)` sends to the kernel; `changed()` is called when the header is to be drawn. */
  constructor({ send, changed }) {
    Object.assign(this, { send, changed, asking: false, sent: false, refusal: null, status: null });
  }

  press(name) {
    if (name !== 'stop') this.command(name);
    else {
      this.asking = true;
      this.changed();
    }
  }

  confirm(yes) {
    this.asking = false;
    if (yes) this.command('stop');
    else this.changed();
  }

  /** Send a command; those of a node do not hold the header's buttons back. */
  command(name, rest = null) {
    this.sent ||= rest === null;
    this.refusal = null;
    this.send({ type: 'command', name, ...rest });
    this.changed();
  }

  /** The kernel said no, in words; an answer's faults are shown by its form. */
  refused({ message, errors }) {
    this.sent = false;
    this.refusal = errors ? null : message;
    this.changed();
  }

  /** That the run moved on is an answer; a refusal stands until its status changes. */
  hear({ status }) {
    if (this.sent) {
      this.sent = false;
      this.changed();
    }
    if (status !== this.status) Object.assign(this, { status, refusal: null });
  }
}
