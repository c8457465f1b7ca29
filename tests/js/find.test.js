import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matching, progress } from '../../nbflow/view/js/find.js';

const ORDER = ['fetch_pr', 'run_tests', 'Fix_Tests', '[odd].*'];

test('a part of a name in any case finds its nodes in the order of the graph', () => {
  assert.deepEqual(matching(ORDER, ' TESTS '), ['run_tests', 'Fix_Tests']);
  assert.deepEqual(matching(ORDER, '].*'), ['[odd].*']);
  assert.deepEqual(matching(ORDER, '  '), []);
});

test('a search says how many it found, and where in them it is', () => {
  assert.equal(progress('', [], -1), '');
  assert.equal(progress('x', [], -1), 'no node');
  assert.equal(progress('x', ['a'], -1), '1 node');
  assert.equal(progress('x', ['a', 'b', 'c'], 1), '2 of 3');
});
