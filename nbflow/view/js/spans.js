// The page's copy of a run's timeline: lanes, and in each the pieces of time that the kernel told. Pure.
//
// What is drawn at a moment follows from `upto`, {seq, time}: what began after `seq` is not there yet, and what ended
// after it still runs, to `time` (seconds of the run). The present is {seq: Infinity, time: now}.

import { clock, duration, plural } from './format.js';
import { Group, Lane } from './lane.js';

export const BETWEEN = new Set(['queued', 'backoff', 'waiting']);
const STATUS = { backoff: 'retrying', queued: 'pending', cached: 'completed' };

export class Spans {
  constructor() {
    this.reset();
  }

  reset() {
    Object.assign(this, { seq: 0, more: true, lanes: [], roots: [], groups: [], pieces: new Map(), extent: 0, merged: false });
    Object.assign(this, { path: null, pauses: [], resumes: [], ended: false, shown: null });
  }

  /** Take an answer of the kernel in. */
  take(message) {
    if (message.after !== this.seq) return; // the answer to a question asked before a scene, or twice
    this.seq = message.seq;
    this.more = message.more;
    for (const about of message.lanes ?? []) this.addLane(new Lane(about));
    if (message.groups) this.groups = message.groups.map(([name, inside], i) => new Group(i, name, inside.map((n) => this.lanes[n])));
    for (const [lane, row] of message.forget ?? []) this.forget(this.lanes[lane], row);
    for (const fields of message.pieces ?? []) this.addPiece(fields);
    if (message.merged) this.merged = true;
    for (const [lane, ...left] of message.left ?? []) this.lanes[lane].left = left.length ? left : null;
    if (message.path === undefined) return;
    const { path, pauses, resumes, ended } = message;
    Object.assign(this, { path, pauses, resumes, ended });
  }

  addLane(lane) {
    this.lanes[lane.number] = lane;
    const parent = this.lanes[lane.parent];
    lane.above = parent ?? null;
    (parent?.inside ?? this.roots).push(lane);
    this.shown = null;
  }

  forget(lane, row) {
    for (const piece of lane.rows[row]?.list ?? []) this.pieces.delete(piece.id);
    lane.rows[row] = { list: [], reach: null };
    lane.above?.changed();
  }

  addPiece([id, lane, row, kind, begin, end, seq, endSeq, visit, attempt, count]) {
    const piece = { id, lane, row, kind, begin, end, seq, endSeq, visit, attempt, count };
    const own = this.lanes[lane];
    const held = (own.rows[row] ??= { list: [], reach: null });
    const known = this.pieces.get(id);
    if (known) Object.assign(known, piece);
    else {
      this.pieces.set(id, piece);
      held.list.push(piece);
    }
    held.reach = null;
    own.above?.changed();
    if (row === 0 || own.kind !== 'map') own.visits = Math.max(own.visits, visit);
    own.tries = Math.max(own.tries, attempt);
    this.extent = Math.max(this.extent, begin, end ?? 0);
  }

  /** The lanes to show, those inside an opened one below it; a group stands where its first node would. */
  get visible() {
    const below = (lane) => [lane, ...(lane.open ? lane.inside.flatMap(below) : [])];
    this.shown ??= [...new Set(this.roots.map((lane) => lane.above ?? lane))].flatMap(below);
    return this.shown;
  }

  /** In which of the lanes shown each lane is, by number: in its own, else in that of its group. */
  get places() {
    const places = new Map();
    this.visible.forEach((lane, i) => {
      places.set(lane.number, i);
      if (lane.kind === 'group' && !lane.open) for (const { number } of lane.inside) places.set(number, i);
    });
    return places;
  }

  /** In which of the lanes shown a node of the graph is; -1 where there is none. */
  placeOf(id) {
    const lane = this.roots.find(({ path }) => path === id);
    return lane ? this.places.get(lane.number) : -1;
  }

  /** Open or close a lane; returns whether there was anything to open. */
  toggle(lane) {
    if (!lane.inside.length) return false;
    lane.open = !lane.open;
    lane.changed();
    this.shown = null;
    return true;
  }

  /** Open the groups with a node of which `holds`. */
  openWhere(holds) {
    for (const group of this.groups) if (!group.open && group.inside.some(({ path }) => holds(path))) this.toggle(group);
  }
}

/** A piece as it is at `upto`: {kind, end}, or null before it began. */
export function pieceAt(piece, upto) {
  if (piece.seq > upto.seq || piece.begin > upto.time) return null;
  const over = piece.end !== null && (piece.endSeq <= upto.seq || piece.count > 1);
  if (over) return { kind: piece.kind, end: Math.min(piece.end, upto.time), live: false };
  return { kind: BETWEEN.has(piece.kind) ? piece.kind : 'running', end: Math.max(upto.time, piece.begin), live: true };
}

/** The critical path at `upto`: the hops so far. */
export function pathAt(path, upto) {
  const hops = [];
  for (const [lane, begin, end, seq, endSeq] of path?.hops ?? []) {
    if (seq > upto.seq || begin > upto.time) break;
    const over = end !== null && (endSeq <= upto.seq || end <= upto.time);
    hops.push({ lane, begin, end: over ? Math.min(end, upto.time) : upto.time });
  }
  return hops;
}

/** Length and part spent waiting of the whole path, which grow with `now` while the run does. */
export function pathTimes(path, now) {
  if (!path) return null;
  const since = path.live ? Math.max(0, now - path.at) : 0;
  return { length: path.length + since, waited: path.waited + (path.waits ? since : 0) };
}

/** The status of a lane that no node of the graph tells: that of what it does, else of what it did last. */
export function statusAt(lane, upto) {
  let last = null;
  for (const piece of lane.held) {
    const at = pieceAt(piece, upto);
    if (at && (last === null || (at.live === last.live ? piece.begin >= last.begin : at.live))) last = { ...at, begin: piece.begin };
  }
  return last ? STATUS[last.kind] ?? last.kind : 'pending';
}

/** What a screen reader says of a lane: "lint, 3 tries, failed, 2:14". */
export function laneText(lane, status, upto) {
  let [tries, items, from, to, visits] = [0, 0, Infinity, 0, 0];
  for (const piece of lane.held) {
    const at = pieceAt(piece, upto);
    if (!at || BETWEEN.has(piece.kind)) continue;
    if (lane.kind === 'map' && piece.row) items += piece.count;
    else [tries, visits] = [tries + piece.count, Math.max(visits, piece.visit)];
    [from, to] = [Math.min(from, piece.begin), Math.max(to, at.end)];
  }
  const said = [lane.path, items ? `${items} ${plural(items, 'item')}` : ''];
  if (visits > 1) said.push(`${visits} ${plural(visits, 'visit')}`);
  if (tries > visits) said.push(`${tries} ${plural(tries, 'try', 'tries')}`);
  const long = to - from >= 10 ? clock(to - from) : duration(to - from);
  return [...said, status, tries ? long : ''].filter(Boolean).join(', ');
}
