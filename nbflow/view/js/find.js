// The search for nodes of a graph by a part of their name; Enter and arrows move between the matches.

import { h, setText } from './dom.js';
import { counted, plural } from './format.js';
import { controlIcon } from './icons.js';

const STEPS = { ArrowDown: 1, ArrowUp: -1 };

/** The ids that contain a text, ignoring case, in order; none for an empty text. */
export function matching(order, text) {
  const part = text.trim().toLowerCase();
  return part ? order.filter((id) => id.toLowerCase().includes(part)) : [];
}

/** The position in the matches: "2 of 3", or "3 nodes" before the first step, where `at` is -1. */
export function progress(text, found, at) {
  if (!text.trim()) return '';
  if (!found.length) return 'no node';
  return at < 0 ? `${counted(found.length)} ${plural(found.length, 'node')}` : `${counted(at + 1)} of ${counted(found.length)}`;
}

export class Find {
  /** `select(id)` is called for each match that a person moves to, `left()` when the search is closed. */
  constructor({ select, left }) {
    Object.assign(this, { select, left, order: [], found: [], at: -1 });
    this.input = h('input', { class: 'nf-find', type: 'search', placeholder: 'Find a node', 'aria-label': 'Find a node by a part of its name',
      oninput: () => this.look(), onkeydown: (event) => this.key(event) });
    this.count = h('span', { class: 'nf-mut nf-num', role: 'status' });
    const close = { class: 'nf-x', type: 'button', 'aria-label': 'Close the search', title: 'Close (Esc)', onclick: () => this.close() };
    this.el = h('div', { class: 'nf-seek', role: 'search', hidden: true }, this.input, this.count, h('button', close, controlIcon('close')));
  }

  show(order) {
    this.order = order;
    this.el.hidden = true;
    this.input.value = '';
    this.look();
  }

  open() {
    this.el.hidden = false;
    this.input.focus({ preventScroll: true });
    this.input.select();
  }

  close() {
    this.el.hidden = true;
    this.left();
  }

  look() {
    this.found = matching(this.order, this.input.value);
    this.at = -1;
    this.tell();
  }

  tell() {
    setText(this.count, progress(this.input.value, this.found, this.at));
  }

  go(step) {
    const { length } = this.found;
    if (!length) return;
    this.at = this.at < 0 && step < 0 ? length - 1 : (this.at + step + length) % length;
    this.tell();
    this.select(this.found[this.at]);
  }

  key(event) {
    const step = event.key === 'Enter' ? (event.shiftKey ? -1 : 1) : STEPS[event.key];
    if (event.key === 'Escape') this.close();
    else if (step) this.go(step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }
}
