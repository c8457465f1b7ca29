// The table of the state: one row per key and one column per step; only the visible ones have elements.

import { h, s, setAttr, setText } from './dom.js';
import { columnTitle, firstColumn, fitting, MARKS, stepName } from './statedata.js';
import { RowWindow } from './window.js';

const COLUMN = 24; // px
const ROW = 28;
const WIDE = { key: 104, type: 108, value: 160, most: Infinity };
const NARROW = { key: 96, type: 0, value: 72, most: 7 };
const END = 12;

const PATHS = ['M6 2.5v7M2.5 6h7', 'M6 3.25a2.75 2.75 0 1 0 0 5.5a2.75 2.75 0 1 0 0-5.5z', 'M2.5 3.5h7M2.5 6h7M2.5 8.5h7'];

/** The icon of a mark; `set` changes it. */
export function markIcon(mark) {
  const icon = s('svg', { viewBox: '0 0 12 12', 'aria-hidden': 'true' }, s('path'));
  setMark(icon, mark);
  return icon;
}

function setMark(icon, mark) {
  setAttr(icon, 'class', mark === undefined ? 'nf-mark' : `nf-mark m${mark}`);
  setAttr(icon.firstChild, 'd', PATHS[mark] ?? 'M0 0');
}

export class StateGrid {
  /** `choose(step)` is called with the index of a step, `open(key)` with the index of a key. */
  constructor({ id, choose, open, moved }) {
    Object.assign(this, { id, choose, open, moved, data: null, first: 0, fit: 1, current: -1, followed: null, row: 0, narrow: false });
    this.titles = h('div', { class: 'nf-cells' });
    this.head = h('div', { class: 'nf-srow nf-shead' }, h('span', {}, 'Key'), h('span', { class: 'nf-ty' }, 'Type'), h('span', {}, 'Value'), this.titles);
    this.window = new RowWindow({ rowHeight: ROW, make: () => this.made(), write: (element, index) => this.write(element, index),
      attributes: { role: 'listbox', 'aria-label': 'Keys of the state', class: 'nf-window nf-srows' } });
    this.strip = h('div', { class: 'nf-strip', 'aria-hidden': 'true', tabindex: '-1', onscroll: () => this.scrolled() }, h('i'));
    this.el = h('div', { class: 'nf-grid' }, this.head, this.window.el, this.strip);
    this.el.addEventListener('click', (event) => this.click(event));
    this.el.addEventListener('wheel', (event) => { this.strip.scrollLeft += event.deltaX; }, { passive: true });
    this.window.el.addEventListener('keydown', (event) => this.key(event));
    this.window.el.addEventListener('scroll', () => this.moved(), { passive: true });
  }

  show() {
    Object.assign(this, { first: 0, current: -1, followed: null, row: 0 });
    this.window.el.scrollTop = 0;
  }

  /** The keys whose values are requested: the visible ones. */
  get range() {
    const { first, last } = this.window.range;
    return last > first ? [first, last] : [0, 40];
  }

  draw(data, current, past) {
    Object.assign(this, { data, current, past });
    const { key, type, value, most } = this.narrow ? NARROW : WIDE;
    const total = data.steps.length;
    this.fit = total ? fitting(this.el.clientWidth, { total, taken: key + type + value + END, column: COLUMN, most }) : 0;
    if (this.followed !== current) this.first = firstColumn(this.first, { current, fit: this.fit, total });
    this.followed = current;
    this.drawStrip(total);
    this.el.style.setProperty('--nf-marks', `${this.fit * COLUMN}px`);
    this.drawTitles(total);
    this.window.draw(data.keys.length);
    this.point();
  }

  drawStrip(total) {
    this.strip.hidden = total <= this.fit;
    if (this.strip.hidden) return;
    this.strip.firstChild.style.width = `${total * COLUMN}px`;
    const left = this.first * COLUMN;
    if (Math.round(this.strip.scrollLeft / COLUMN) !== this.first) this.strip.scrollLeft = left;
  }

  scrolled() {
    const first = Math.round(this.strip.scrollLeft / COLUMN);
    if (first === this.first || !this.data) return;
    this.first = Math.max(0, Math.min(first, this.data.steps.length - this.fit));
    this.draw(this.data, this.current, this.past);
  }

  drawTitles(total) {
    this.cellsOf(this.titles, () => h('button', { type: 'button', tabindex: '-1' }));
    [...this.titles.children].forEach((cell, column) => {
      const index = this.first + column;
      setText(cell, columnTitle(index, this.current, total));
      setAttr(cell, 'title', `Step ${index + 1}: ${stepName(this.data.steps[index])}`);
      setAttr(cell, 'class', this.cellClass(index));
    });
  }

  cellsOf(box, make) {
    while (box.childElementCount > this.fit) box.lastChild.remove();
    while (box.childElementCount < this.fit) box.append(make());
  }

  cellClass(index) {
    return `nf-c${index === this.current ? ' cur' : ''}${index > this.current ? ' fut' : ''}`;
  }

  made() {
    const [key, type, value] = ['nf-mono nf-el nf-k', 'nf-mono nf-mut nf-el nf-ty', 'nf-el nf-v'].map((name) => h('span', { class: name }));
    return h('div', { class: 'nf-srow', role: 'option' }, key, ' ', type, ' ', value, h('div', { class: 'nf-cells' }));
  }

  write(element, index) {
    const { data } = this;
    const [key, type, value, cells] = element.children;
    const seen = data.values.get(index);
    setText(key, data.keys[index]);
    setAttr(key, 'title', data.keys[index]);
    setText(type, seen?.type ?? '');
    this.writeValue(value, seen);
    this.cellsOf(cells, () => h('span', {}, markIcon()));
    [...cells.children].forEach((cell, column) => {
      setAttr(cell, 'class', this.cellClass(this.first + column));
      setMark(cell.firstChild, data.mark(index, this.first + column));
    });
    setAttr(element, 'class', `nf-srow${seen === null ? ' un' : ''}${index === this.row ? ' sel' : ''}`);
    this.name(element, index, seen);
  }

  // A value that is not known yet is drawn differently from a key that is not set.
  writeValue(element, seen) {
    const text = seen ? seen.text : seen === null ? 'not set' : '';
    const size = seen?.size && !text.includes(seen.size) ? seen.size : '';
    if (element.dataset.text === text && element.dataset.size === size) return;
    [element.dataset.text, element.dataset.size] = [text, size];
    element.replaceChildren(size, h('bdi', { class: size ? 'nf-mut' : null }, size ? `  ${text}` : text));
    element.title = seen ? text : '';
  }

  name(element, index, seen) {
    const mark = this.data.mark(index, this.current);
    const did = mark === undefined ? '' : `${MARKS[mark]} in step ${this.current + 1}`;
    element.id = `${this.id}${index}`;
    setAttr(element, 'aria-label', [this.data.keys[index], seen?.type, element.children[2].textContent.trim(), did].filter(Boolean).join(', '));
    setAttr(element, 'aria-selected', String(index === this.row));
    setAttr(element, 'aria-posinset', index + 1);
    setAttr(element, 'aria-setsize', this.data.keys.length);
    element.dataset.key = index;
  }

  point() {
    setAttr(this.window.el, 'aria-activedescendant', this.data.keys.length ? `${this.id}${this.row}` : null);
  }

  click(event) {
    const cell = event.target.closest('.nf-c');
    const row = event.target.closest('[data-key]');
    if (row) this.row = Number(row.dataset.key);
    if (cell) this.choose(this.first + [...cell.parentElement.children].indexOf(cell));
    else if (row) this.open(this.row);
  }

  key(event) {
    if (!this.data?.keys.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.window.el.clientHeight / ROW) - 1);
    const act = {
      ArrowUp: () => this.move(this.row - 1), ArrowDown: () => this.move(this.row + 1),
      PageUp: () => this.move(this.row - page), PageDown: () => this.move(this.row + page),
      Home: () => this.move(0), End: () => this.move(Infinity),
      ArrowLeft: () => this.step(-1), ArrowRight: () => this.step(1), Enter: () => this.open(this.row),
    }[event.key];
    if (!act) return;
    act();
    event.preventDefault();
    event.stopPropagation();
  }

  move(row) {
    this.row = Math.max(0, Math.min(row, this.data.keys.length - 1));
    this.window.reveal(this.row);
    this.window.draw();
    this.point();
    this.moved();
  }

  step(by) {
    const index = Math.max(0, Math.min(this.current + by, this.data.steps.length - 1));
    if (index !== this.current) this.choose(index);
  }

  focus() {
    this.window.el.focus({ preventScroll: true });
  }
}
