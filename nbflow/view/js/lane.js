// A lane of a timeline with its pieces of time in rows; and a group, one lane for several nodes until it is opened. Pure.

import { firstThat } from './search.js';

const MOST = 12; // rows of a group; what finds none free shares the last

const byBegin = (a, b) => a.begin - b.begin || a.id - b.id;

// A piece may lie inside another: how far the pieces up to each one reach only grows, so that it can be searched.
function order(row) {
  row.list.sort(byBegin);
  let reach = 0;
  row.reach = row.list.map((piece) => (reach = Math.max(reach, piece.end ?? Infinity)));
}

class Rows {
  /** The pieces of a row from the first one that reaches into `from`: {list, at}. */
  since(row, from) {
    const held = this.rows[row];
    if (!held) return { list: [], at: 0 };
    if (!held.reach) order(held);
    return { list: held.list, at: firstThat(held.reach, (end) => end >= from) };
  }

  /** All pieces. */
  get held() {
    return this.rows.flatMap((row) => row?.list ?? []);
  }

  /** All pieces, by when they began. */
  get pieces() {
    return this.held.sort(byBegin);
  }
}

/** The lane of a node; `above` is the lane of the node, or the group, that it is in. */
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

  changed() {} // a node's own lane shows its own pieces, whatever is inside

  /** Whether it is of a node of the graph itself. */
  get outermost() {
    return this.parent < 0;
  }
}

/** Several nodes as one lane: in its rows their firings, side by side where they were so. */
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

  /** Forget how the firings lie: there is news of one, or they stand in lanes of their own now. */
  changed() {
    this.packed = null;
  }
}

// A firing with its tries and waits stays in one row, the first that is free when it begins. Queues are left out.
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

/** How a group fares, by the statuses of its nodes: {status, done, failed, of}. */
export function fares(statuses) {
  const done = statuses.filter((status) => OVER.has(status)).length;
  const loud = LOUD.find((status) => statuses.includes(status));
  const quiet = done < statuses.length ? 'pending' : statuses.includes('completed') ? 'completed' : 'skipped';
  return { status: loud ?? quiet, done, failed: statuses.filter((status) => status === 'failed').length, of: statuses.length };
}

/** What a screen reader says of a group: "after split, 5 nodes, 3 done, 1 failed, running, folded". */
export function groupText(group, { status, done, failed, of }) {
  const said = [group.name, `${of} nodes`, `${done} done`, failed && `${failed} failed`, failed ? '' : status];
  return [...said, group.open ? 'open' : 'folded'].filter(Boolean).join(', ');
}
