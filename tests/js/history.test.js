import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History, lastUpTo } from '../../nbflow/view/js/history.js';
import { Change, Model } from '../../nbflow/view/js/model.js';

const IDS = Array.from({ length: 400 }, (_, i) => `n${i}`);
const SCENE = { order: IDS, kinds: {}, run_id: 'r' };
const BASE = { run: { status: 'ready', counts: { pending: 400 } }, nodes: Object.fromEntries(IDS.map((id) => [id, { status: 'pending' }])), edges: {} };

/** A run of `count` events, one a second from 100 on: nodes start and end in turn, every tenth one fails. */
function stepsOf(count) {
  const steps = [[1, 100, { run: { status: 'running', started: 100 } }]];
  for (let seq = 2; seq <= count; seq += 1) {
    const id = IDS[(seq >> 1) % IDS.length];
    const failed = seq % 20 === 1;
    const status = seq % 2 === 0 ? 'running' : failed ? 'failed' : 'completed';
    steps.push([seq, 100 + seq, { nodes: { [id]: { status, since: status === 'running' ? 100 + seq : null } } }, ...(failed ? [1] : [])]);
  }
  return steps;
}

function historyOf(steps, { page = 1000, of = steps.length } = {}) {
  const history = new History(SCENE);
  for (let at = 0; at < steps.length; at += page) {
    const part = steps.slice(at, at + page);
    history.receive({ after: history.seq, seq: part.at(-1)[0], of, base: at ? null : BASE, steps: part });
  }
  return history;
}

/** What a page sees that was there all the time. */
function watched(steps, until) {
  const model = new Model();
  model.apply(SCENE && { ...SCENE, type: 'scene' }, new Change());
  model.apply({ type: 'snapshot', seq: 0, now: 0, ...BASE }, new Change());
  for (const [seq, now, patch] of steps) if (seq <= until) model.apply({ type: 'patch', seq, now, ...patch }, new Change());
  return model;
}

test('a moment of the past is what a page that watched had seen then', () => {
  const steps = stepsOf(3000);
  const history = historyOf(steps);
  for (const seq of [1, 2, 255, 256, 257, 1024, 2999, 3000]) {
    const seen = watched(steps, seq);
    const then = history.at(history.indexOf(seq));
    assert.deepEqual([then.seq, then.now, then.run, then.nodes, then.live], [seq, seen.now, seen.run, seen.nodes, seen.live]);
  }
});

test('looking back changes nothing that is looked at later', () => {
  const history = historyOf(stepsOf(600));
  const before = history.at(599).nodes;
  history.at(3);
  history.at(300);
  assert.deepEqual(history.at(599).nodes, before);
});

test('what has come so far can be looked at while the rest is on its way', () => {
  const history = historyOf(stepsOf(500), { of: 9000 });
  assert.equal(history.complete, false);
  assert.equal(history.at(history.indexOf(400)).seq, 400);
  assert.equal(history.indexOf(8000), 499);
});

test('an answer that does not go on where the history ends is passed over', () => {
  const history = historyOf(stepsOf(500));
  history.receive({ after: 20, seq: 40, of: 500, base: null, steps: stepsOf(40).slice(20) });
  history.receive({ after: 0, seq: 40, of: 500, base: BASE, steps: stepsOf(40) });
  assert.deepEqual([history.length, history.seq], [500, 500]);
});

test('an event that changed nothing to see belongs to the step before it', () => {
  const history = historyOf([[1, 100, { run: { started: 100 } }], [7, 105, { nodes: { n1: { status: 'running' } } }]]);
  assert.equal(history.indexOf(6), 0);
  assert.equal(history.indexOf(7), 1);
  assert.equal(history.indexOf(0), -1);
});

test('the time in which a run did not run does not count', () => {
  const history = historyOf([
    [1, 100, { run: { started: 100 } }], [2, 110, { nodes: { n1: { status: 'failed' } } }, 1],
    [3, 9110, { run: { started: 9100, status: 'running' } }], [4, 9112, { nodes: { n1: { status: 'running' } } }],
  ]);
  assert.deepEqual(history.clocks, [0, 10, 10, 12]);
  assert.equal(history.indexAt(11), 2);
});

test('marks stand once a pixel, failures apart, and what the page heard itself is marked until its step comes', () => {
  const history = new History(SCENE);
  history.hear(1, 0, false);
  history.hear(4, 5, true);
  history.hear(4, 6, true);
  assert.deepEqual(history.ticks(10, 100), { events: [0], failures: [50] });
  history.receive({ after: 0, seq: 3, of: 4, base: BASE, steps: stepsOf(3) });
  assert.deepEqual(history.heard.map((mark) => mark.seq), [4]);
  assert.ok(historyOf(stepsOf(5000)).ticks(5000, 100).events.length <= 101);
});

test('of a run that is watched for long no more marks are kept than a line shows, and the same ones are drawn', () => {
  const history = new History(SCENE);
  const all = new History(SCENE);
  all.thin = () => {};
  for (let seq = 1; seq <= 100_000; seq += 1) for (const one of [history, all]) one.hear(seq, seq, seq % 1000 === 0);
  const near = (marks) => (x) => marks.some((other) => Math.abs(other - x) <= 1);
  const [kept, whole] = [history, all].map((one) => one.ticks(100_000, 800));

  assert.ok(history.heard.length <= 4 * 4096);
  assert.ok(whole.events.every(near(kept.events)) && kept.events.every(near(whole.events)));
  assert.ok(whole.failures.every(near(kept.failures)) && kept.failures.every(near(whole.failures)));
});

test('the last index up to a value', () => {
  assert.deepEqual([0, 1, 2, 9].map((value) => lastUpTo([1, 1, 3], value)), [-1, 1, 1, 2]);
});

test('a moment of ten thousand takes no longer than one of a thousand', () => {
  const histories = [1_000, 10_000].map((count) => [count, historyOf(stepsOf(count))]);
  const least = [Infinity, Infinity]; // of many short samples in turn: what else the machine does makes some longer
  for (let round = 0; round < 60; round += 1) {
    histories.forEach(([count, history], which) => {
      const begin = performance.now();
      for (let i = 0; i < 20; i += 1) history.at(((round * 20 + i) * 7919) % count);
      least[which] = Math.min(least[which], performance.now() - begin);
    });
  }
  assert.ok(least[1] < 5 * least[0], `${least}`);
});
