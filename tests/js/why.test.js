import assert from 'node:assert/strict';
import { test } from 'node:test';
import { known } from '../../nbflow/view/js/why.js';

test('without an answer an edge is told as far as the page knows it', () => {
  const caption = { parts: [['failed '], ['(0)', 'v'], [' > 0']], result: 'no' };
  assert.equal(known({ state: 'open', count: 0, caption: null }), 'Not decided');
  assert.equal(known({ state: 'untaken', count: 0, caption }), 'Not taken: failed (0) > 0 is no');
  assert.equal(known({ state: 'taken', count: 3, caption: null }), 'Taken 3 times');
});
