import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sectionOrder } from '../../nbflow/view/js/sections.js';

const first = (data) => sectionOrder({ items: null, attempts: [], ...data }).slice(0, 2);

test('what a person looks for stands first', () => {
  assert.equal(first({ status: 'failed' })[0], 'error');
  assert.deepEqual(first({ status: 'retrying' }), ['attempts', 'error']);
  assert.deepEqual(first({ status: 'running', items: { done: 1, total: 2, failed: 0 } }), ['items', 'inside']);
  assert.equal(first({ status: 'pending' })[0], 'waits');
  assert.equal(first({ status: 'completed' })[0], 'attempts');
});
