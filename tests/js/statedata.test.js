import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnTitle, firstColumn, fitting, StateData, stepName } from '../../nbflow/view/js/statedata.js';

const answer = (fields) => ({ type: 'state', at: null, seq: 9, after: 0, steps: [], of: 0, named: 0, names: [], keys: 0, first: 0, values: [], step: null, ...fields });
const step = (seq, marks = []) => [seq, seq / 10, `n${seq}`, 1, marks];

function known(...seqs) {
  const data = new StateData();
  data.take(answer({ steps: seqs.map((seq) => step(seq)), of: seqs.length }));
  return data;
}

test('the step at a moment is the last one up to it', () => {
  const data = known(3, 7, 9);

  assert.deepEqual([2, 3, 6, 7, 100, null].map((seq) => data.stepAt(seq)), [-1, 0, 0, 1, 2, 2]);
  assert.equal(new StateData().stepAt(null), -1);
});

test('answers join what is known, and one that does not is dropped', () => {
  const data = known(3);
  data.take(answer({ after: 1, steps: [step(7, [[0, 1]])], of: 3, names: ['a'], keys: 1 }));
  data.take(answer({ after: 5, steps: [step(99)], of: 3, named: 1, names: [], keys: 1 }));

  assert.deepEqual(data.steps.map(({ seq }) => seq), [3, 7]);
  assert.equal(data.mark(0, 1), 1);
  assert.equal(data.mark(0, 0), undefined);
  assert.equal(data.behind, true);
});

test('values count for their moment and their rows', () => {
  const data = new StateData();
  data.take(answer({ at: 5, names: ['a', 'b', 'c'], keys: 3, first: 1, values: [{}, null] }));

  assert.equal(data.covers(5, 1, 3), true);
  assert.equal(data.covers(5, 1, 40), true);
  assert.equal(data.covers(5, 0, 3), false);
  assert.equal(data.covers(null, 1, 3), false);
});

test('until the kernel is at a moment the values before it stay, with the steps that are known by then', () => {
  const data = known(3);
  data.take(answer({ at: 3, names: ['a'], keys: 1, after: 1, of: 1, values: [{ text: '1' }] }));
  data.take(answer({ at: 9, after: 1, steps: [step(7)], of: 2, named: 1, keys: 1, more: true, values: undefined }));

  assert.deepEqual([data.at, data.values.get(0).text, data.steps.length], [3, '1', 2]);
  assert.equal(data.behind, true);
  assert.deepEqual([data.covers(3, 0, 1), data.covers(9, 0, 1)], [false, false]);
});

test('a moment that cannot be told of is not asked for again', () => {
  const data = known(3);
  data.take({ type: 'state', at: 5, seq: 5, fault: 'does not fit' });

  assert.deepEqual([data.covers(5, 0, 9), data.covers(6, 0, 9)], [true, false]);
});

test('as many columns stand as fit, and no more than there are steps', () => {
  const room = { taken: 380, column: 24 };

  assert.equal(fitting(700, { ...room, total: 9 }), 9);
  assert.equal(fitting(700, { ...room, total: 10_000 }), 13);
  assert.equal(fitting(700, { ...room, total: 10_000, most: 7 }), 7);
  assert.equal(fitting(10, { ...room, total: 5 }), 1);
});

test('the chosen step is brought into sight by the shortest way', () => {
  const of = (first, current) => firstColumn(first, { current, fit: 10, total: 100 });

  assert.deepEqual([of(0, 5), of(0, 12), of(50, 45), of(95, 99), of(40, -1)], [0, 3, 45, 90, 40]);
});

test('where numbers grow long every second one stands, and the chosen one always', () => {
  assert.equal(columnTitle(7, 3, 11), '8');
  assert.deepEqual([996, 997, 998, 999, 1000, 1001].map((index) => columnTitle(index, 998, 5000)), ['', '', '999', '', '', '1002']);
});

test('a step is named by its node and visit', () => {
  assert.deepEqual([stepName({ node: 'a', visit: 1 }), stepName({ node: 'a', visit: 3 }), stepName({ node: null, visit: 0 })], ['a', 'a, visit 3', 'edited by a person']);
});
