import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rootOf, stepOf } from '../../nbflow/view/js/paths.js';

test('a path begins with the node that a person sees in the graph', () => {
  assert.deepEqual(['fan', 'fan[7]', 'sub/inner[2]/x', null].map(rootOf), ['fan', 'fan', 'sub', null]);
});

test('the last step of a path leads from what it is in', () => {
  assert.deepEqual(stepOf('fan'), { parent: null, step: 'fan' });
  assert.deepEqual(stepOf('fan[7]'), { parent: 'fan', step: '[7]' });
  assert.deepEqual(stepOf('sub/fan[7]/x'), { parent: 'sub/fan[7]', step: '/x' });
});
