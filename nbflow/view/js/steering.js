// The controls for one node in the inspector: set a breakpoint, retry it, or give its output by hand.
//
// Only controls that fit the node's status are shown; the kernel decides whether a command is possible.

import { h, setAttr, setText } from './dom.js';
import { ENDED, LIVE, UNFINISHED } from './format.js';
import { onTyped } from './typing.js';

/** The names of the commands that fit the status of a node. Pure. */
export function offered(status, run, connected) {
  if (!connected || run.status === 'ready') return [];
  if (UNFINISHED.has(run.status)) return UNFINISHED.has(status) ? ['retry', 'skip'] : [];
  if (ENDED.has(run.status)) return [];
  const node = status === 'retrying' ? ['retry', 'skip'] : LIVE.has(status) ? ['skip'] : [];
  return ['break', ...node];
}

/** Parse an output that a person wrote: {value} or {error}. Pure. */
export function outputOf(text) {
  if (text.trim() === '') return { value: null };
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { error: `This is not JSON: ${error.message}` };
  }
}

export class Steering {
  constructor({ prefix, command }) {
    Object.assign(this, { command, node: null });
    const button = (name, label, act) => h('button', { class: 'nf-btn', type: 'button', 'data-do': name, onclick: act }, label);
    this.buttons = {
      retry: button('retry', 'Retry', () => this.retry()),
      skip: button('skip', 'Skip with…', () => this.edit(this.editor.hidden)),
      break: button('break', 'Break before', () => this.toggle()),
    };
    setAttr(this.buttons.skip, 'aria-expanded', 'false');
    this.text = h('textarea', { class: 'nf-in nf-mono', id: `${prefix}skip`, rows: 3, spellcheck: 'false', 'aria-describedby': `${prefix}skipe` });
    this.fault = h('p', { class: 'nf-ferr', id: `${prefix}skipe`, role: 'alert', hidden: true });
    this.editor = h('form', { class: 'nf-skip', hidden: true, novalidate: true },
      h('label', { for: this.text.id }, 'Output in its place, as JSON'), this.text,
      h('p', { class: 'nf-mut' }, 'An object updates the state; any other value is stored under the node’s key; an empty text changes nothing.'), this.fault,
      h('button', { class: 'nf-btn nf-pri', type: 'submit' }, 'Skip'));
    this.editor.addEventListener('submit', (event) => this.skip(event));
    this.editor.addEventListener('keydown', (event) => this.key(event));
    this.el = h('div', { class: 'nf-steer', hidden: true }, h('div', { class: 'nf-acts' }, Object.values(this.buttons)), this.editor);
  }

  show(node) {
    this.node = node;
    this.text.value = '';
    this.edit(false);
  }

  /** Show the controls that fit; none in the past. */
  draw(model, past) {
    const names = past ? [] : offered(model.node(this.node).status, model.run, model.connected);
    this.el.hidden = !names.length;
    for (const [name, button] of Object.entries(this.buttons)) button.hidden = !names.includes(name);
    if (!names.includes('skip')) this.edit(false);
    this.stands(`${model.node(this.node).status} ${model.run.status}`);
    const breaks = model.breaks.has(this.node);
    setAttr(this.buttons.break, 'aria-pressed', String(breaks));
    setText(this.buttons.break, breaks ? 'Breaks before' : 'Break before');
    setAttr(this.buttons.break, 'title', breaks ? 'Remove the breakpoint (b)' : 'Pause each time before this node starts (b)');
    setText(this.buttons.retry, ENDED.has(model.run.status) ? 'Retry' : 'Retry now');
    this.breaks = breaks;
  }

  edit(on) {
    this.editor.hidden = !on;
    setAttr(this.buttons.skip, 'aria-expanded', String(on));
    this.refuse('');
    if (on) this.text.focus();
  }

  toggle() {
    if (!this.el.hidden && !this.buttons.break.hidden) this.command('break', { node: this.node, on: !this.breaks });
  }

  send(name, rest = {}) {
    this.command(name, { node: this.node, ...rest });
  }

  // Sent once: a second click would start the run again that the first click has resumed.
  retry() {
    this.buttons.retry.disabled = true;
    this.send('retry');
  }

  /** Enable the command again once the status of the node or run has changed, or the kernel has refused (null). */
  stands(how) {
    if (how !== this.how) this.buttons.retry.disabled = false;
    this.how = how;
  }

  skip(event) {
    event.preventDefault();
    const { value, error } = outputOf(this.text.value);
    this.refuse(error ?? '');
    if (error) this.text.focus();
    else this.send('skip', { output: value });
  }

  refuse(message) {
    setText(this.fault, message);
    this.fault.hidden = !message;
    setAttr(this.text, 'aria-invalid', message ? 'true' : null);
  }

  key(event) {
    onTyped(event, () => this.editor.requestSubmit());
    if (event.key !== 'Escape') return;
    this.edit(false);
    this.buttons.skip.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}
