import assert from 'node:assert/strict';
import { test } from 'node:test';
import { edgeOf, stepFrom } from '../../nbflow/view/js/edgewalk.js';

const EDGES = new Map([
  ['a>b', { from: 'a', to: 'b' }], ['a>c', { from: 'a', to: 'c' }], ['a>c#1', { from: 'a', to: 'c' }],
  ['b>c', { from: 'b', to: 'c' }], ['c>END', { from: 'c', to: 'END' }],
]);

test('arrows to the right and down lead to the edges out of a node, to the left and up to those into it', () => {
  assert.deepEqual(['ArrowRight', 'ArrowDown'].map((arrow) => edgeOf(EDGES, 'a', arrow).key), ['a>b', 'a>b']);
  assert.deepEqual(['ArrowLeft', 'ArrowUp'].map((arrow) => edgeOf(EDGES, 'c', arrow)), Array(2).fill({ key: 'a>c', side: 'to' }));
  assert.equal(edgeOf(EDGES, 'a', 'ArrowLeft'), null);
  assert.equal(edgeOf(EDGES, 'a', 'Enter'), null);
});

test('up and down go round the edges of the node they were reached from', () => {
  const walk = (side, from, arrows) => arrows.map((arrow) => (from = stepFrom(EDGES, { key: from, side }, arrow).key));
  assert.deepEqual(walk('from', 'a>b', ['ArrowDown', 'ArrowDown', 'ArrowDown', 'ArrowUp']), ['a>c', 'a>c#1', 'a>b', 'a>c#1']);
  assert.deepEqual(walk('to', 'a>c', ['ArrowDown', 'ArrowDown', 'ArrowDown']), ['a>c#1', 'b>c', 'a>c']);
});

test('left and right go to the nodes at the ends of an edge', () => {
  const at = { key: 'b>c', side: 'from' };
  assert.deepEqual([stepFrom(EDGES, at, 'ArrowLeft'), stepFrom(EDGES, at, 'ArrowRight')], [{ node: 'b' }, { node: 'c' }]);
  assert.equal(stepFrom(EDGES, at, 'Enter'), null);
  assert.equal(stepFrom(EDGES, { key: 'gone', side: 'from' }, 'ArrowUp'), null);
});
