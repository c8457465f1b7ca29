// A list of rows of equal height in which only visible rows have elements, so a million rows cost as much as a few.

import { h } from './dom.js';

const SPARE = 6; // rows with elements above and below the visible ones

/** The range of visible rows among `count`: {first, last}, `last` excluded, with `spare` rows on either side. */
export function visible(scrollTop, height, rowHeight, count, spare = SPARE) {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight)) - spare);
  const last = Math.min(count, Math.ceil((Math.max(0, scrollTop) + height) / rowHeight) + spare);
  return { first: Math.min(first, last), last };
}

/**
 * A scrolling list of rows. `make()` returns the element of a row and `write(element, index)` fills it; elements of
 * rows that are no longer visible are reused. `attributes` are those of the scrolling element.
 */
export class RowWindow {
  constructor({ rowHeight, make, write, attributes = {} }) {
    Object.assign(this, { rowHeight, make, write, count: 0, rows: new Map(), frame: 0 });
    this.sheet = h('div', { class: 'nf-sheet' });
    this.el = h('div', { class: 'nf-window', tabindex: '0', ...attributes }, this.sheet);
    this.el.addEventListener('scroll', () => this.soon(), { passive: true });
  }

  /** The range of visible rows. */
  get range() {
    return visible(this.el.scrollTop, this.el.clientHeight, this.rowHeight, this.count);
  }

  /** True if the last row is visible, within half a row. */
  get atEnd() {
    return this.el.scrollTop + this.el.clientHeight >= this.count * this.rowHeight - this.rowHeight / 2;
  }

  /** Fill the visible rows of `count` rows. */
  draw(count = this.count) {
    if (count !== this.count) this.sheet.style.height = `${count * this.rowHeight}px`;
    this.count = count;
    const { first, last } = this.range;
    const free = [];
    for (const [index, row] of this.rows) {
      if (index >= first && index < last) continue;
      this.rows.delete(index);
      free.push(row);
    }
    for (let index = first; index < last; index += 1) this.write(this.rows.get(index) ?? this.place(index, free.pop()), index);
    for (const row of free) row.remove();
  }

  place(index, row = this.sheet.appendChild(this.make())) {
    row.style.transform = `translateY(${index * this.rowHeight}px)`;
    this.rows.set(index, row);
    return row;
  }

  // Scroll events are more frequent than frames, so drawing waits for the next frame.
  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /** Scroll by the smallest amount that makes a row visible. */
  reveal(index) {
    const top = index * this.rowHeight;
    const below = top + this.rowHeight - this.el.clientHeight;
    if (this.el.scrollTop > top) this.el.scrollTop = top;
    else if (this.el.scrollTop < below) this.el.scrollTop = below;
  }

  toEnd() {
    this.el.scrollTop = this.count * this.rowHeight;
  }
}
