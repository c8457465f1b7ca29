import assert from 'node:assert/strict';
import { test } from 'node:test';
import { attention, Change, Model, newest, ranked, slowest } from '../../nbflow/view/js/model.js';

const SCENE = { type: 'scene', run_id: 'r1', order: ['a', 'b', 'c', 'd'], kinds: { b: 'map' }, mode: 'cards', controls: [] };
const statuses = (given) => Object.fromEntries(Object.entries(given).map(([id, status]) => [id, { status }]));

function modelOf(...messages) {
  const model = new Model();
  const change = new Change();
  for (const message of messages) model.apply(message, change);
  return { model, change };
}

const snapshot = (seq, nodes, run = {}) => ({ type: 'snapshot', seq, now: 1, run, nodes: statuses(nodes), edges: {} });

test('a patch changes only the fields it names, and says which nodes', () => {
  const { model } = modelOf(SCENE, snapshot(3, { a: 'running', b: 'pending' }));
  const change = new Change();
  model.apply({ type: 'patch', seq: 4, now: 2, nodes: { a: { progress: 0.5 } }, edges: { 'a>b': { count: 1 } } }, change);
  assert.equal(model.node('a').status, 'running');
  assert.equal(model.node('a').progress, 0.5);
  assert.deepEqual([[...change.nodes], [...change.edges], change.run, change.all], [['a'], ['a>b'], false, false]);
});

test('a patch that the snapshot already holds is passed over', () => {
  const { model } = modelOf(SCENE, snapshot(9, { a: 'completed' }));
  const change = new Change();
  model.apply({ type: 'patch', seq: 9, now: 2, nodes: { a: { status: 'running' } } }, change);
  assert.equal(model.node('a').status, 'completed');
  assert.ok(change.empty);
});

test('an older snapshot never takes a newer view back', () => {
  const { model } = modelOf(SCENE, snapshot(9, { a: 'completed' }), snapshot(4, { a: 'running' }));
  assert.equal(model.node('a').status, 'completed');
});

test('a snapshot with every later patch equals the snapshot taken later', () => {
  const later = modelOf(SCENE, snapshot(7, { a: 'completed', b: 'running' })).model;
  const patched = modelOf(SCENE, snapshot(3, { a: 'running', b: 'pending' }),
    { type: 'patch', seq: 5, now: 1, nodes: { a: { status: 'completed' } } },
    { type: 'patch', seq: 7, now: 1, nodes: { b: { status: 'running' } } }).model;
  assert.deepEqual([patched.nodes, patched.live, patched.seq], [later.nodes, later.live, later.seq]);
});

test('another run in the same view begins from nothing', () => {
  const { model } = modelOf(SCENE, snapshot(9, { a: 'completed' }), { ...SCENE, run_id: 'r2' });
  assert.deepEqual([model.seq, model.node('a').status], [-1, 'pending']);
});

test('ids are data: one called __proto__ is a node like any other', () => {
  const { model } = modelOf(SCENE, JSON.parse('{"type":"patch","seq":1,"nodes":{"__proto__":{"status":"failed"}}}'));
  assert.equal(model.node('__proto__').status, 'failed');
  assert.equal({}.status, undefined);
});

test('a message of no known type changes nothing', () => {
  const { change } = modelOf({ type: 'apply' }, { type: 'constructor' }, {}, null, undefined);
  assert.ok(change.empty);
});

test('a list begins with what needs a person', () => {
  const { model } = modelOf(SCENE, snapshot(1, { a: 'completed', b: 'failed', c: 'running', d: 'waiting' }));
  assert.deepEqual(ranked(SCENE.order, model), ['d', 'b', 'c', 'a']);
  assert.deepEqual(ranked(SCENE.order, model, 2), ['d', 'b']);
});

test('attention names the first and counts them all', () => {
  const { model } = modelOf(SCENE, snapshot(1, { a: 'failed', b: 'failed', c: 'failed', d: 'retrying' }));
  assert.deepEqual(attention(SCENE.order, model, 2), { ids: ['a', 'b'], total: 4 });
});

test('nodes are counted by how they stand, and the run is told anew where that changes', () => {
  const { model } = modelOf(SCENE, snapshot(1, { a: 'running', b: 'pending' }));
  const counted = model.run.counts;
  const [moved, same] = [new Change(), new Change()];
  model.apply({ type: 'patch', seq: 2, nodes: { a: { status: 'completed' } } }, moved);
  model.apply({ type: 'patch', seq: 3, nodes: { a: { ms: 5 } } }, same);
  assert.deepEqual([counted, model.run.counts], [{ running: 1, pending: 1 }, { running: 0, pending: 1, completed: 1 }]);
  assert.deepEqual([moved.run, same.run], [true, false]);
});

test('slowest runs longest, newest began last; retrying nodes are neither', () => {
  const { model } = modelOf(SCENE, { type: 'patch', seq: 1, nodes: {
    a: { status: 'running', since: 5 }, b: { status: 'running', since: 2 }, c: { status: 'retrying', since: 99 } } });
  assert.deepEqual(slowest(model, 1), { ids: ['b'], total: 2 });
  assert.equal(newest(model), 'a');
});
