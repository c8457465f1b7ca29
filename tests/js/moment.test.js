import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Travel } from '../../nbflow/view/js/moment.js';

const SCENE = { order: ['a'], kinds: {}, run_id: 'r' };
const BASE = { run: { status: 'ready', counts: {} }, nodes: { a: { status: 'pending' } }, edges: {} };
const STEPS = Array.from({ length: 9 }, (_, i) => [i + 1, 100 + i, { run: { started: 100 } }]);
const ANSWER = { type: 'history', after: 0, seq: 9, of: 9, base: BASE, steps: STEPS };

/** A traveller who has heard of nine events, and what it has asked. */
function traveller() {
  const asked = [];
  const travel = new Travel({ ask: (message) => asked.push(message), changed: () => {} });
  travel.forget(SCENE);
  travel.hear({ type: 'snapshot', seq: 9 }, { started: 100 });
  return { travel, asked };
}

test('steps back that are asked for before the past is here add up', () => {
  const { travel, asked } = traveller();
  for (let i = 0; i < 3; i += 1) travel.step(-1);
  assert.equal(travel.moment, null);
  travel.receive(ANSWER);
  assert.equal(travel.moment.seq, 6);
  assert.deepEqual(asked, [{ type: 'history', after: 0 }]);
});

test('a step on takes back a step back that is still waited for', () => {
  const { travel } = traveller();
  for (const by of [-1, -1, 1]) travel.step(by);
  travel.receive(ANSWER);
  assert.equal(travel.moment.seq, 8);
});

test('a step on from now stays there, also where it takes back the only step back', () => {
  const { travel, asked } = traveller();
  travel.step(1);
  assert.deepEqual([travel.moment, asked], [null, []]);
  travel.step(-1);
  travel.step(1);
  travel.receive(ANSWER);
  assert.equal(travel.moment, null);
});

test('going to now forgets the steps that were waited for', () => {
  const { travel } = traveller();
  travel.step(-1);
  travel.live();
  travel.step(-1);
  travel.receive(ANSWER);
  assert.equal(travel.moment.seq, 8);
});

test('a node that the kernel has not gone back to yet is asked on for, of the moment that is shown by then', () => {
  const { travel, asked } = traveller();
  travel.step(-1);
  travel.receive(ANSWER);
  travel.inspect('a');
  travel.inspect('a');
  travel.step(-1);
  travel.receive({ type: 'inspector', node: 'a', at: 8, more: true });
  travel.inspect('a');
  assert.equal(travel.model.details.size, 0);
  travel.receive({ type: 'inspector', node: 'a', at: 7, data: { status: 'pending' } });
  travel.inspect('a');
  assert.deepEqual(asked.slice(1).map(({ at }) => at), [8, 7]);
  assert.deepEqual(travel.model.details.get('a'), { status: 'pending' });
});

test('what a page hears of a run asks for nothing of its past', () => {
  const { travel, asked } = traveller();
  for (let seq = 10; seq < 40; seq += 1) travel.hear({ type: 'patch', seq, now: 100 + seq, nodes: {} }, { started: 100 });
  assert.deepEqual(asked, []);
});
