import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fares, groupText } from '../../nbflow/view/js/lane.js';
import { Spans } from '../../nbflow/view/js/spans.js';

const LANES = [[0, 'split', -1, 'tool'], [1, 'a', -1, 'tool'], [2, 'b', -1, 'tool'], [3, 'm', -1, 'map'], [4, 'join', -1, 'tool']];
// id, lane, row, kind, begin, end, seq, end seq, visit, attempt, count
const piece = (id, lane, begin, end, kind = 'completed', { row = 0, visit = 1, attempt = 1 } = {}) =>
  [id, lane, row, end === null && kind === 'completed' ? 'running' : kind, begin, end, begin + 1, end === null ? null : end + 1, visit, attempt, 1];
const told = (pieces, more = {}) => ({ type: 'spans', after: 0, seq: 9, more: false, lanes: LANES, groups: [['after split', [1, 2, 3]]],
  forget: [], pieces, ...more });
const spans = (...pieces) => {
  const made = new Spans();
  made.take(told(pieces));
  return made;
};
const rows = (group) => group.rows.map(({ list }) => list.map(({ id }) => id));
const names = (made) => made.visible.map(({ name }) => name);

test('a group stands where its first node would, and its nodes below it when it is open', () => {
  const made = spans();
  assert.deepEqual(names(made), ['split', 'after split', 'join']);
  assert.equal(made.toggle(made.visible[1]), true);
  assert.deepEqual(names(made), ['split', 'after split', 'a', 'b', 'm', 'join']);
  assert.deepEqual(made.visible.map(({ depth }) => depth), [0, 0, 1, 1, 1, 0]);
});

test('a lane inside a node of a group is one deeper than that', () => {
  const made = spans();
  made.take({ type: 'spans', after: 9, seq: 10, more: false, lanes: [[5, 'a/x', 1, 'tool']] });
  assert.deepEqual([made.lanes[5].depth, made.lanes[5].outermost, made.lanes[1].outermost], [2, false, true]);
});

test('the place of a node that is folded away is that of its group', () => {
  const made = spans();
  assert.deepEqual(['split', 'b', 'join', 'z'].map((id) => made.placeOf(id)), [0, 1, 2, -1]);
  made.toggle(made.groups[0]);
  assert.deepEqual(['split', 'b', 'join'].map((id) => made.placeOf(id)), [0, 3, 5]);
});

test('firings share a row of a group unless they were side by side, and queues are left out', () => {
  const made = spans(piece(1, 1, 0, 5), piece(2, 2, 1, 3), piece(3, 2, 4, 6, 'completed', { visit: 2 }), piece(4, 1, 5, 9, 'completed', { visit: 2 }),
    piece(5, 2, 0, 1, 'queued'));
  assert.deepEqual(rows(made.groups[0]), [[1, 4], [2, 3]]);
});

test('the tries and waits of a firing stay in one row', () => {
  const tries = [piece(1, 1, 0, 2, 'failed'), piece(2, 1, 2, 5, 'backoff'), piece(3, 1, 5, 9, 'completed', { attempt: 2 })];
  const made = spans(...tries, piece(4, 2, 3, 4), piece(5, 2, 3, 4, 'waiting'));
  assert.deepEqual(rows(made.groups[0]), [[1, 2, 3], [4, 5]]);
});

test('of a map a group shows the whole and no items', () => {
  assert.deepEqual(rows(spans(piece(1, 3, 0, 5), piece(2, 3, 0, 1, 'completed', { row: 1 })).groups[0]), [[1]]);
});

test('however many run side by side, a group has a bounded number of rows and forgets none', () => {
  const made = spans(...Array.from({ length: 60 }, (_, i) => piece(i, 1 + (i % 2), 0, 100, 'completed', { row: i })));
  assert.equal(made.groups[0].rows.length, 12);
  assert.equal(made.groups[0].held.length, 60);
});

test('news of a firing is news of its group, and an open one shows nothing of its own', () => {
  const made = spans(piece(1, 1, 0, null), piece(2, 2, 3, 4));
  const [group] = made.groups;
  assert.deepEqual(rows(group), [[1], [2]]);
  made.take(told([piece(1, 1, 0, 2)], { after: 9, seq: 12, lanes: [], groups: undefined }));
  assert.deepEqual(rows(group), [[1, 2]]);
  made.toggle(group);
  assert.deepEqual(rows(group), []);
  made.toggle(group);
  assert.deepEqual(rows(group), [[1, 2]]);
});

test('the groups of which a node is meant are opened, and no others', () => {
  const made = spans();
  made.openWhere((id) => id === 'join');
  assert.equal(made.groups[0].open, false);
  made.openWhere((id) => id === 'b');
  assert.equal(made.groups[0].open, true);
});

test('a group has the status of what needs a person most, else of all it has done', () => {
  const status = (...all) => fares(all).status;
  assert.equal(status('completed', 'running', 'failed'), 'failed');
  assert.equal(status('running', 'waiting'), 'waiting');
  assert.equal(status('completed', 'pending'), 'pending');
  assert.equal(status('completed', 'skipped'), 'completed');
  assert.equal(status('skipped', 'skipped'), 'skipped');
});

test('a group is read as name, nodes, how many are done or failed, and whether it is open', () => {
  const [group] = spans().groups;
  assert.equal(groupText(group, fares(['completed', 'running', 'pending'])), 'after split, 3 nodes, 1 done, running, folded');
  assert.equal(groupText({ ...group, name: 'g', open: true }, fares(['completed', 'failed'])), 'g, 2 nodes, 1 done, 1 failed, open');
});
