import assert from 'node:assert/strict';
import { test } from 'node:test';
import { badge, clip, clock, duration, elapsed, facts, secondLine, secondText, spoken } from '../../nbflow/view/js/format.js';

const NODE = { status: 'pending', since: null, ms: null, runs: 0, attempt: 0, of: 1, progress: null, error: null, items: null, inputs: null };
const line = (fields, now = 100) => secondText({ ...NODE, ...fields }, now);

test('a duration keeps two figures that matter', () => {
  const told = [0.0001, 0.003, 0.4, 1.2, 9.96, 12.4, 59.6, 1686, 3900].map(duration);
  assert.deepEqual(told, ['<1 ms', '3 ms', '0.4 s', '1.2 s', '10 s', '12 s', '1 m 00 s', '28 m 06 s', '1 h 05 m']);
});

test('a clock shows hours only when there are some', () => {
  assert.deepEqual([0, 59.9, 134, 3725, -3].map(clock), ['0:00', '0:59', '2:14', '1:02:05', '0:00']);
});

test('what still grows is told in whole seconds', () => {
  assert.deepEqual([0.7, 12.9, 120, 3900].map(elapsed), ['0 s', '12 s', '2 m 00 s', '1 h 05 m']);
});

test('a second line says what a person wants to know of that status', () => {
  assert.equal(line({}), '');
  assert.equal(line({ inputs: [0, 4] }), '0 of 4 in');
  assert.equal(line({ inputs: [0, 1] }), '');
  assert.equal(line({ status: 'running', since: 88 }), '12 s');
  assert.equal(line({ status: 'running', progress: 0.62 }), '62 %');
  assert.equal(line({ status: 'running', items: { done: 37, total: 500, failed: 2 } }), '37/500 · 2 failed');
  assert.equal(line({ status: 'waiting', since: 54 }), 'waiting 46 s');
  assert.equal(line({ status: 'retrying', since: 104.2, attempt: 3 }), 'try 3 in 5 s');
  assert.equal(line({ status: 'completed', ms: 1200, attempt: 1 }), '1.2 s');
  assert.equal(line({ status: 'completed', ms: 1200, attempt: 2 }), '1.2 s · try 2');
  assert.equal(line({ status: 'failed', error: 'KeyError' }), 'KeyError');
  assert.equal(line({ status: 'cancelled', ms: 8000 }), 'after 8.0 s');
  assert.equal(line({ status: 'skipped' }), 'not needed');
});

test('without a clock no time is told', () => {
  assert.equal(line({ status: 'completed', attempt: 1 }), '');
  assert.equal(line({ status: 'running' }), '');
  assert.equal(line({ status: 'waiting' }), 'waiting');
  assert.equal(line({ status: 'retrying', attempt: 2 }), 'try 2');
  assert.deepEqual(facts({ counts: { completed: 3 }, elapsed: null, retries: 0 }, 3), ['3 of 3 nodes']);
});

test('failed items stand apart, to be drawn as a failure', () => {
  assert.deepEqual(secondLine({ ...NODE, status: 'running', items: { done: 1, total: 9, failed: 1 } }, 0), { text: '1/9', bad: '1 failed' });
});

test('a retry that is overdue never counts below zero', () => {
  assert.equal(line({ status: 'retrying', since: 10, attempt: 2 }), 'try 2 in 0 s');
});

test('a node that ran once has no badge', () => {
  assert.deepEqual([0, 1, 4].map((runs) => badge({ runs })), ['', '', '×4']);
});

test('a node is called by what is seen in it as it is seen, then by kind and status', () => {
  const node = { ...NODE, status: 'running', items: { done: 37, total: 500, failed: 2 } };
  assert.equal(spoken('review_files', 'map', node, 0), 'review_files, 37/500 · 2 failed, map, running');
  assert.equal(spoken('a', 'tool', { ...NODE, status: 'completed', runs: 3 }, 0), 'a, ×3, tool, completed, run 3 times');
});

test('a name that is cut in the drawing, or not drawn, is said whole', () => {
  const done = { ...NODE, status: 'completed' };
  assert.equal(spoken('fetch_all_pages', 'tool', done, 0, { drawn: 'fetch…ges' }), 'fetch…ges, fetch_all_pages, tool, completed');
  assert.equal(spoken('fetch', 'tool', done, 0, { drawn: '' }), 'fetch, tool, completed');
});

test('a condition that a node shows is said with it', () => {
  const done = { ...NODE, status: 'completed' };
  assert.equal(spoken('a', 'tool', done, 0, { caption: 'n (0) > 0 → no' }), 'a, n (0) > 0 → no, tool, completed');
});

test('the facts of a run name what was skipped and retried', () => {
  const run = { counts: { completed: 11, skipped: 1 }, elapsed: 1686, retries: 2 };
  assert.deepEqual(facts(run, 12), ['28 m 06 s', '11 of 12 nodes, 1 skipped', '2 retries']);
});

test('a clipped text says how many lines there were', () => {
  assert.deepEqual(clip('a\nb\nc\n', 2), { text: 'a\nb', cut: true, lines: 3 });
  assert.deepEqual(clip('a\nb\nc', 2, { tail: true }), { text: 'b\nc', cut: true, lines: 3 });
  assert.equal(clip('a', 6).cut, false);
});
