import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laneText, pathAt, pathTimes, pieceAt, Spans, statusAt } from '../../nbflow/view/js/spans.js';

const NOW = { seq: Infinity, time: 100 };
const LANES = [[0, 'a', -1, 'tool'], [1, 's', -1, 'subgraph'], [2, 's/x', 1, 'tool']];
// id, lane, row, kind, begin, end, seq, end seq, visit, attempt, count
const piece = (id, begin, end, more = {}) => {
  const { lane = 0, row = 0, kind = 'completed', visit = 1, attempt = 1, count = 1 } = more;
  return [id, lane, row, end === null && kind === 'completed' ? 'running' : kind, begin, end, begin + 1, end === null ? null : end + 1, visit, attempt, count];
};
const told = (pieces, more = {}) => ({ type: 'spans', after: 0, seq: 9, more: false, lanes: LANES, forget: [], pieces, ...more });
const spans = (...pieces) => {
  const made = new Spans();
  made.take(told(pieces));
  return made;
};

test('a piece told again is the same piece', () => {
  const made = spans(piece(1, 0, null));
  made.take(told([piece(1, 0, 5)], { after: 9, seq: 12, lanes: [] }));
  assert.equal(made.pieces.size, 1);
  assert.deepEqual(pieceAt(made.pieces.get(1), NOW), { kind: 'completed', end: 5, live: false });
});

test('an answer to a question of another time changes nothing', () => {
  const made = spans(piece(1, 0, 5));
  made.take(told([piece(2, 6, 7)], { after: 3, seq: 20 }));
  assert.deepEqual([made.seq, made.pieces.size], [9, 1]);
});

test('a track to forget is forgotten before its pieces are taken in', () => {
  const made = spans(piece(1, 0, 1), piece(2, 2, 3), piece(3, 0, 1, { lane: 1 }));
  made.take(told([piece(1, 0, 3, { count: 2 })], { after: 9, seq: 12, lanes: [], forget: [[0, 0]] }));
  assert.deepEqual([...made.pieces.keys()].sort(), [1, 3]);
});

test('at a moment what ended later still runs, and what began later is not there', () => {
  const [one] = spans(piece(1, 10, 20)).pieces.values();
  assert.equal(pieceAt(one, { seq: 10, time: 9 }), null);
  assert.deepEqual(pieceAt(one, { seq: 15, time: 14 }), { kind: 'running', end: 14, live: true });
  assert.deepEqual(pieceAt(one, { seq: 21, time: 30 }), { kind: 'completed', end: 20, live: false });
});

test('the pieces that reach into a view are found, one that lies around others too', () => {
  const made = spans(piece(1, 0, null), piece(2, 1, 2, { kind: 'waiting' }), piece(3, 30, 40, { kind: 'waiting' }));
  const { list, at } = made.lanes[0].since(0, 35);
  assert.deepEqual(list.slice(at).map((one) => one.id), [1, 2, 3]);
  const later = spans(...Array.from({ length: 500 }, (_, i) => piece(i, i, i + 0.5))).lanes[0].since(0, 400);
  assert.equal(later.list[later.at].begin, 400);
});

test('the lanes inside a node stand below it when it is opened', () => {
  const made = spans();
  const paths = () => made.visible.map((lane) => lane.path);
  assert.deepEqual(paths(), ['a', 's']);
  assert.equal(made.toggle(made.lanes[0]), false);
  assert.equal(made.toggle(made.lanes[1]), true);
  assert.deepEqual(paths(), ['a', 's', 's/x']);
});

test('a lane inside a node has the status of what it does, else of what it did last', () => {
  const lane = spans(piece(1, 0, 2, { kind: 'failed' }), piece(2, 2, null, { kind: 'backoff' })).lanes[0];
  assert.equal(statusAt(lane, NOW), 'retrying');
  assert.equal(statusAt(lane, { seq: 2, time: 1 }), 'running');
  assert.equal(statusAt(lane, { seq: 0, time: 0 }), 'pending');
});

test('a lane is read as name, tries, status and time', () => {
  const tries = [1, 2, 3].map((n) => piece(n, 40 * n - 40, 40 * n, { kind: 'failed', attempt: n }));
  assert.equal(laneText(spans(...tries).lanes[0], 'failed', { seq: Infinity, time: 134 }), 'a, 3 tries, failed, 2:00');
  const visits = spans(piece(1, 0, 1), piece(2, 2, 4, { visit: 2 })).lanes[0];
  assert.equal(laneText(visits, 'completed', NOW), 'a, 2 visits, completed, 4.0 s');
  assert.equal(laneText(spans().lanes[0], 'pending', NOW), 'a, pending');
});

test('the critical path ends at the moment, and grows while the run lives', () => {
  const path = { length: 50, waited: 10, at: 50, live: true, waits: true, hops: [[0, 0, 20, 1, 5], [1, 20, null, 5, null]] };
  assert.deepEqual(pathAt(path, { seq: 3, time: 12 }), [{ lane: 0, begin: 0, end: 12 }]);
  assert.deepEqual(pathAt(path, { seq: Infinity, time: 60 })[1], { lane: 1, begin: 20, end: 60 });
  assert.deepEqual(pathTimes(path, 60), { length: 60, waited: 20 });
  assert.deepEqual(pathTimes({ ...path, live: false, waits: false }, 60), { length: 50, waited: 10 });
});
