// The part of the log's rows that the page has, and the next request for more of them. Pure.

const AHEAD = 100; // rows requested beyond the visible ones, on either side
const RETAINED = 4000; // rows; those farthest from the visible ones are evicted first

const keyOf = ({ node, level, text, at }) => JSON.stringify([node, level, text, at]);

export class LogPages {
  constructor() {
    this.forget();
  }

  forget() {
    Object.assign(this, { filter: null, key: '' });
    this.clear();
  }

  clear() {
    Object.assign(this, { rows: new Map(), total: 0, dropped: 0, seen: 0, of: null, asked: null });
  }

  /** Use a filter, {node, level, text, at}; return false if it is the present one. */
  use(filter) {
    const key = keyOf(filter);
    if (key === this.key) return false;
    // Another moment has a part of the same rows, which stay visible until the kernel has counted them.
    if (keyOf({ ...filter, at: this.filter?.at }) === this.key) Object.assign(this, { of: null, asked: null });
    else this.clear();
    Object.assign(this, { filter, key });
    return true;
  }

  /** The number of rows that can be scrolled to. The first of them is the kernel's row number `dropped`. */
  get count() {
    return Math.max(0, this.total - this.dropped);
  }

  /** True if the kernel has applied the filter to all events. */
  get whole() {
    return this.of !== null && this.seen >= this.of;
  }

  row(index) {
    return this.rows.get(index + this.dropped);
  }

  /** The next request for rows `first` to `last`, or null. `news`: there may be rows that the page does not know of. */
  question({ first, last }, { atEnd, news }) {
    if (this.asked || !this.filter) return null;
    const missing = this.missing(first + this.dropped, last + this.dropped);
    if (this.of !== null && missing === null && this.whole && !news) return null;
    const ends = this.of === null || (missing === null && atEnd);
    const part = ends ? { first: -1, count: AHEAD } : missing ?? { first: 0, count: 0 };
    this.asked = { type: 'log', ...this.filter, ...part };
    return this.asked;
  }

  missing(first, last) {
    let from = first;
    while (from < last && this.rows.has(from)) from += 1;
    if (from >= last) return null;
    const begin = Math.max(this.dropped, this.rows.has(from - 1) ? from : from - AHEAD);
    return { first: begin, count: last - begin + AHEAD };
  }

  /** Take an answer; return false if it is for another filter. */
  receive(answer) {
    const { first, rows, total, dropped, seen, of } = answer;
    if (keyOf(answer) !== this.key) return false;
    Object.assign(this, { total, dropped, seen, of, asked: null });
    rows.forEach((row, i) => this.rows.set(first + i, row));
    if (this.rows.size > RETAINED) this.prune(first, first + rows.length);
    return true;
  }

  prune(first, last) {
    const far = (index) => Math.max(first - index, index - last, 0);
    const nearest = [...this.rows].sort(([a], [b]) => far(a) - far(b)).slice(0, RETAINED / 2);
    this.rows = new Map(nearest);
  }
}

/** A row as text for copying: time, node and text, separated by tabs. */
export function asText(row, time) {
  return [time(row.clock), row.node ?? '', row.text].join('\t');
}
