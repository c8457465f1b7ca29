import assert from 'node:assert/strict';
import { test } from 'node:test';
import { visible } from '../../nbflow/view/js/window.js';

test('only the rows in sight are drawn, and some spare ones', () => {
  assert.deepEqual(visible(2000, 300, 20, 1_000_000, 4), { first: 96, last: 119 });
});

test('at the top and at the end no rows are made up', () => {
  assert.deepEqual(visible(0, 300, 20, 10), { first: 0, last: 10 });
  assert.deepEqual(visible(19_700, 300, 20, 1000, 4), { first: 981, last: 1000 });
});

test('where the list became shorter than the scroll nothing is negative', () => {
  assert.deepEqual(visible(5000, 300, 20, 3, 4), { first: 0, last: 3 });
  assert.deepEqual(visible(0, 300, 20, 0), { first: 0, last: 0 });
  assert.deepEqual(visible(-50, 300, 20, 100, 0), { first: 0, last: 15 });
});
