// Send a person's commands to the kernel: a stop is confirmed first, and the kernel may refuse a command.

export class Commander {
  /** `send(message)` sends to the kernel; `changed()` is called when the header must be drawn. */
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

  /** Send a command. Commands for the run, not those for a node, disable the header's buttons until the answer. */
  command(name, rest = null) {
    this.sent ||= rest === null;
    this.refusal = null;
    this.send({ type: 'command', name, ...rest });
    this.changed();
  }

  /** Show the kernel's message of refusal; errors in an answer to a question are shown in its form instead. */
  refused({ message, errors }) {
    this.sent = false;
    this.refusal = errors ? null : message;
    this.changed();
  }

  /** Take an update of the run as the answer to a sent command; a refusal is shown until the run's status changes. */
  hear({ status }) {
    if (this.sent) {
      this.sent = false;
      this.changed();
    }
    if (status !== this.status) Object.assign(this, { status, refusal: null });
  }
}
