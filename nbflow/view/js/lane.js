// A lane of a timeline with its pieces in rows, and a group: one lane for several nodes until it is opened. Pure.

import { firstThat } from './search.js';

const MOST = 12; // rows of a group; firings that find no free row share the last

const byBegin = (a, b) => a.begin - b.begin || a.id - b.id;

// A piece may lie inside another, so their ends are not in order. The largest end up to each piece is ascending, and
// can be searched.
function order(row) {
  row.list.sort(byBegin);
  let reach = 0;
  row.reach = row.list.map((piece) => (reach = Math.max(reach, piece.end ?? Infinity)));
}

class Rows {
  /** The pieces of a row, and the index of the first that ends at or after the time `from`: {list, at}. */
  since(row, from) {
    const found = this.rows[row];
    if (!found) return { list: [], at: 0 };
    if (!found.reach) order(found);
    return { list: found.list, at: firstThat(found.reach, (end) => end >= from) };
  }

  /** All pieces. */
  get held() {
    return this.rows.flatMap((row) => row?.list ?? []);
  }

  /** All pieces, in the order of their starts. */
  get pieces() {
    return this.held.sort(byBegin);
  }
}

/** The lane of a node; `above` is the lane of the subgraph, or the group, that contains it. */
export class Lane extends Rows {
  constructor([number, path, parent, kind]) {
    super();
    const inner = path.lastIndexOf('/') + 1;
    Object.assign(this, { number, path, parent, kind, name: path.slice(inner), root: path.split('/')[0], inside: [] });
    Object.assign(this, { rows: [], open: false, left: null, above: null, visits: 0, tries: 0 });
  }

  get depth() {
    return this.above ? this.above.depth + 1 : 0;
  }

  changed() {} // the lane of a node does not depend on the lanes inside it, as that of a group does

  /** True if its node belongs to the outermost graph. */
  get outermost() {
    return this.parent < 0;
  }
}

/** Several nodes as one lane, with their firings packed into rows so that parallel firings do not overlap. */
export class Group extends Rows {
  constructor(index, name, inside) {
    super();
    Object.assign(this, { number: `g${index}`, path: null, kind: 'group', name, inside, open: false, left: null, depth: 0 });
    Object.assign(this, { outermost: false, packed: null, visits: 0, tries: 0 });
    for (const lane of inside) lane.above = this;
  }

  get rows() {
    this.packed ??= this.open ? [] : packed(this.inside);
    return this.packed;
  }

  /** Discard the packing of firings, since one has changed, or the group was opened or closed. */
  changed() {
    this.packed = null;
  }
}

// Put each firing, with its attempts and waits, into the first row that is free when it starts. Queueing is left out.
function packed(lanes) {
  const rows = [];
  const ends = [];
  for (const { begin, end, pieces } of firings(lanes)) {
    const free = ends.findIndex((until) => until <= begin);
    const row = free >= 0 ? free : Math.min(ends.length, MOST - 1);
    ends[row] = Math.max(ends[row] ?? 0, end);
    (rows[row] ??= { list: [], reach: null }).list.push(...pieces);
  }
  return rows;
}

function firings(lanes) {
  const found = new Map();
  for (const piece of lanes.flatMap((lane) => (lane.kind === 'map' ? lane.rows[0]?.list ?? [] : lane.held))) {
    if (piece.kind === 'queued') continue;
    const key = `${piece.lane} ${piece.row} ${piece.visit}`;
    const firing = found.get(key) ?? { id: piece.id, begin: Infinity, end: 0, pieces: [] };
    firing.begin = Math.min(firing.begin, piece.begin);
    firing.end = Math.max(firing.end, piece.end ?? Infinity);
    firing.pieces.push(piece);
    found.set(key, firing);
  }
  return [...found.values()].sort(byBegin);
}

const LOUD = ['failed', 'waiting', 'retrying', 'running', 'cancelled'];
const OVER = new Set(['completed', 'skipped']);

/** The status and counts of a group, from the statuses of its nodes: {status, done, failed, of}. */
export function fares(statuses) {
  const done = statuses.filter((status) => OVER.has(status)).length;
  const loud = LOUD.find((status) => statuses.includes(status));
  const quiet = done < statuses.length ? 'pending' : statuses.includes('completed') ? 'completed' : 'skipped';
  return { status: loud ?? quiet, done, failed: statuses.filter((status) => status === 'failed').length, of: statuses.length };
}

/** The accessible name of a group: "after split, 5 nodes, 3 done, 1 failed, running, folded". */
export function groupText(group, { status, done, failed, of }) {
  const parts = [group.name, `${of} nodes`, `${done} done`, failed && `${failed} failed`, failed ? '' : status];
  return [...parts, group.open ? 'open' : 'folded'].filter(Boolean).join(', ');
}
