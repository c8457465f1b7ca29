// Show beside an edge why it was taken or not: while the pointer or the focus is on it, and after a click or Enter
// until the next one.

import { h, setText } from './dom.js';
import { endName, takenWord } from './format.js';
import { middleOf } from './scene.js';

const AWAY = 12; // px between the pointer and the line

/** The text shown before the kernel answers: how often the edge was taken, and its condition if its node shows it. */
export function known(edge) {
  const { caption } = edge;
  const taken = takenWord(edge);
  return caption ? `${taken}: ${caption.parts.map(([text]) => text).join('')} is ${caption.result}` : taken;
}

export class Why {
  constructor({ drawing, ask }) {
    Object.assign(this, { drawing, ask, key: null, pinned: false, at: null });
    [this.title, this.text] = [h('b'), h('span', { class: 'nf-num' })];
    this.el = h('div', { class: 'nf-why', role: 'status', hidden: true }, this.title, this.text);
    const on = (name, act) => drawing.el.addEventListener(name, act);
    on('pointerover', (event) => this.point(event));
    on('pointerleave', () => this.pinned || this.show(null));
    on('focusin', (event) => this.focus(event));
    on('focusout', () => this.pinned || this.show(null));
    on('click', (event) => this.click(event));
    on('keydown', (event) => this.press(event));
  }

  keyAt(event) {
    return event.target.closest?.('[data-e]')?.getAttribute('data-e') ?? null;
  }

  point(event) {
    if (!this.pinned && !event.buttons) this.show(this.keyAt(event), { x: event.clientX, y: event.clientY });
  }

  click(event) {
    const key = this.keyAt(event);
    this.pinned = key !== null;
    this.show(key, { x: event.clientX, y: event.clientY });
  }

  // After Enter the text of the focused edge stays when the focus moves to a node.
  press(event) {
    if (this.keyAt(event) === null || (event.key !== 'Enter' && event.key !== ' ')) return;
    this.pinned = true;
    event.preventDefault();
    event.stopPropagation();
  }

  // A click focuses the edge too, and has a better position. Focusing another edge replaces the text.
  focus(event) {
    const key = this.keyAt(event);
    if (key === this.key || (this.pinned && key === null)) return;
    this.pinned = false;
    this.show(key, key && middleOf(this.drawing.edges.get(key)?.path));
  }

  /** Close the text; return false if none is shown. */
  close() {
    const open = this.key !== null;
    this.pinned = false;
    this.show(null);
    return open;
  }

  show(key, spot = null) {
    Object.assign(this, { key, spot, asking: false, again: false });
    const edge = this.drawing.edges.get(key);
    this.el.hidden = !edge;
    if (!edge) return;
    setText(this.title, `${edge.from} → ${endName(edge.to)}`);
    setText(this.text, this.model ? known(this.model.edge(key)) : '');
    this.place();
    this.pull();
  }

  // There is at most one open request; changes in the meantime are requested after its answer.
  pull() {
    this.again = this.asking;
    if (this.asking) return;
    this.asking = true;
    this.ask({ type: 'why', edge: this.key, at: this.at });
  }

  receive(message) {
    if (message.edge !== this.key) return;
    this.asking = false;
    if (this.again || message.more) this.pull();
    if (message.more || message.at !== this.at) return;
    setText(this.text, message.text);
    this.place();
  }

  draw(model, { change, moment }) {
    const was = this.at;
    Object.assign(this, { model, at: moment?.seq ?? null });
    if (this.key === null) return;
    const edge = this.drawing.edges.get(this.key);
    if (was !== this.at || change.all || change.edges.has(this.key) || change.nodes.has(edge?.from)) this.pull();
  }

  place() {
    const face = this.el.parentNode;
    if (!this.spot || !face) return;
    const box = face.getBoundingClientRect();
    const [x, y] = [this.spot.x - box.left, this.spot.y - box.top];
    const [wide, high] = [this.el.offsetWidth, this.el.offsetHeight];
    const left = Math.max(4, Math.min(x + AWAY, box.width - wide - 4));
    const top = y + AWAY + high > box.height ? y - high - AWAY : y + AWAY;
    this.el.style.transform = `translate(${Math.round(left)}px, ${Math.round(Math.max(4, top))}px)`;
  }
}
