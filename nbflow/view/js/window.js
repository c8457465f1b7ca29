// Rows of one height, of which only those in sight have elements: a million cost what a screenful costs.

import { h } from './dom.js';

const SPARE = 6; // rows kept ready above and below

/** Which of `count` rows are in sight: {first, last}, the last not included, with `spare` rows on either side. */
export function visible(scrollTop, height, rowHeight, count, spare = SPARE) {
  const first = Math.max(0, Math.min(count, Math.floor(scrollTop / rowHeight)) - spare);
  const last = Math.min(count, Math.ceil((Math.max(0, scrollTop) + height) / rowHeight) + spare);
  return { first: Math.min(first, last), last };
}

/**
 * A scroller of rows. `make()` returns a row's element, `write(element, index)` fills it; an element that left the
 * sight is filled again for a row that came into it. `attributes` are the scroller's.
 */
export class RowWindow {
  constructor({ rowHeight, make, write, attributes = {} }) {
    Object.assign(this, { rowHeight, make, write, count: 0, rows: new Map(), frame: 0 });
    this.sheet = h('div', { class: 'nf-sheet' });
    this.el = h('div', { class: 'nf-window', tabindex: '0', ...attributes }, this.sheet);
    this.el.addEventListener('scroll', () => this.soon(), { passive: true });
  }

  /** The rows in sight. */
  get range() {
    return visible(this.el.scrollTop, this.el.clientHeight, this.rowHeight, this.count);
  }

  /** Whether the last row is in sight, give or take half a row. */
  get atEnd() {
    return this.el.scrollTop + this.el.clientHeight >= this.count * this.rowHeight - this.rowHeight / 2;
  }

  /** Fill the rows in sight; there are `count` in all. */
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

  // Scroll events come more often than frames.
  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  /** Scroll as little as shows a row. */
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
