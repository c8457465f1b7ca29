// The rows of the log that are here, of those the kernel has, and what to ask for next. Pure.

const AHEAD = 100; // rows asked for beyond those in sight, on either side
const KEPT = 4000; // rows kept; those farthest from what is looked at go first

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

  /** Look through another filter: {node, level, text, at}; returns whether it is another. */
  use(filter) {
    const key = keyOf(filter);
    if (key === this.key) return false;
    // Another moment has the same rows, only more or less of them: they stay in sight until the kernel has counted.
    if (keyOf({ ...filter, at: this.filter?.at }) === this.key) Object.assign(this, { of: null, asked: null });
    else this.clear();
    Object.assign(this, { filter, key });
    return true;
  }

  /** How many rows can be scrolled to. The first of them is row number `dropped` of the kernel's. */
  get count() {
    return Math.max(0, this.total - this.dropped);
  }

  /** Whether the kernel has looked through all there was. */
  get whole() {
    return this.of !== null && this.seen >= this.of;
  }

  row(index) {
    return this.rows.get(index + this.dropped);
  }

  /** The next question for rows `first` to `last`, or null. `news`: whether there may be more than is known. */
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

  /** Take an answer; returns whether it is about what is looked at now. */
  receive(answer) {
    const { first, rows, total, dropped, seen, of } = answer;
    if (keyOf(answer) !== this.key) return false;
    Object.assign(this, { total, dropped, seen, of, asked: null });
    rows.forEach((row, i) => this.rows.set(first + i, row));
    if (this.rows.size > KEPT) this.prune(first, first + rows.length);
    return true;
  }

  prune(first, last) {
    const far = (index) => Math.max(first - index, index - last, 0);
    const kept = [...this.rows].sort(([a], [b]) => far(a) - far(b)).slice(0, KEPT / 2);
    this.rows = new Map(kept);
  }
}

/** A row as text: time, node and what it says. */
export function asText(row, time) {
  return [time(row.clock), row.node ?? '', row.text].join('\t');
}
