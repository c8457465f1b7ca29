// The page's copy of a run's timeline: lanes, each with its pieces. Pure.
//
// Functions for a moment take `upto`, {seq, time}: pieces that started after event `seq` do not exist yet, and those
// that ended after it still run, to `time` (seconds of the run). The present is {seq: Infinity, time: now}.

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

  /** Apply an answer of the kernel. */
  take(message) {
    if (message.after !== this.seq) return; // the answer to a request from before a new scene, or to one sent twice
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
    const target = (own.rows[row] ??= { list: [], reach: null });
    const known = this.pieces.get(id);
    if (known) Object.assign(known, piece);
    else {
      this.pieces.set(id, piece);
      target.list.push(piece);
    }
    target.reach = null;
    own.above?.changed();
    if (row === 0 || own.kind !== 'map') own.visits = Math.max(own.visits, visit);
    own.tries = Math.max(own.tries, attempt);
    this.extent = Math.max(this.extent, begin, end ?? 0);
  }

  /** The visible lanes, those inside an opened lane below it; a group is at the position of its first node. */
  get visible() {
    const below = (lane) => [lane, ...(lane.open ? lane.inside.flatMap(below) : [])];
    this.shown ??= [...new Set(this.roots.map((lane) => lane.above ?? lane))].flatMap(below);
    return this.shown;
  }

  /** The index among the visible lanes of each lane, by number; lanes in a closed group have the index of the group. */
  get places() {
    const places = new Map();
    this.visible.forEach((lane, i) => {
      places.set(lane.number, i);
      if (lane.kind === 'group' && !lane.open) for (const { number } of lane.inside) places.set(number, i);
    });
    return places;
  }

  /** The index among the visible lanes of a node of the graph; -1 if it has no lane. */
  placeOf(id) {
    const lane = this.roots.find(({ path }) => path === id);
    return lane ? this.places.get(lane.number) : -1;
  }

  /** Open or close a lane; return false if nothing is inside it. */
  toggle(lane) {
    if (!lane.inside.length) return false;
    lane.open = !lane.open;
    lane.changed();
    this.shown = null;
    return true;
  }

  /** Open the groups that have a node for which `holds` is true. */
  openWhere(holds) {
    for (const group of this.groups) if (!group.open && group.inside.some(({ path }) => holds(path))) this.toggle(group);
  }
}

/** The state of a piece at `upto`: {kind, end}, or null before it started. */
export function pieceAt(piece, upto) {
  if (piece.seq > upto.seq || piece.begin > upto.time) return null;
  const over = piece.end !== null && (piece.endSeq <= upto.seq || piece.count > 1);
  if (over) return { kind: piece.kind, end: Math.min(piece.end, upto.time), live: false };
  return { kind: BETWEEN.has(piece.kind) ? piece.kind : 'running', end: Math.max(upto.time, piece.begin), live: true };
}

/** The steps of the critical path up to `upto`. */
export function pathAt(path, upto) {
  const hops = [];
  for (const [lane, begin, end, seq, endSeq] of path?.hops ?? []) {
    if (seq > upto.seq || begin > upto.time) break;
    const over = end !== null && (endSeq <= upto.seq || end <= upto.time);
    hops.push({ lane, begin, end: over ? Math.min(end, upto.time) : upto.time });
  }
  return hops;
}

/** The length of the whole critical path and the time waited in it; both grow with `now` while the run is running. */
export function pathTimes(path, now) {
  if (!path) return null;
  const since = path.live ? Math.max(0, now - path.at) : 0;
  return { length: path.length + since, waited: path.waited + (path.waits ? since : 0) };
}

/** The status of a lane whose node is not in the page's model: that of its open piece, else of its last piece. */
export function statusAt(lane, upto) {
  let last = null;
  for (const piece of lane.held) {
    const at = pieceAt(piece, upto);
    if (at && (last === null || (at.live === last.live ? piece.begin >= last.begin : at.live))) last = { ...at, begin: piece.begin };
  }
  return last ? STATUS[last.kind] ?? last.kind : 'pending';
}

/** The accessible name of a lane: "lint, 3 tries, failed, 2:14". */
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
