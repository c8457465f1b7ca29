import assert from 'node:assert/strict';
import test from 'node:test';

import { Commander } from '../../nbflow/view/js/commander.js';
import { offered, outputOf } from '../../nbflow/view/js/steering.js';

const run = (status) => ({ status });

test('what can be done to a node follows its status and the run', () => {
  assert.deepEqual(offered('pending', run('running'), true), ['break']);
  assert.deepEqual(offered('running', run('running'), true), ['break', 'skip']);
  assert.deepEqual(offered('retrying', run('paused'), true), ['break', 'retry', 'skip']);
  assert.deepEqual(offered('failed', run('failed'), true), ['retry', 'skip']);
  assert.deepEqual(offered('completed', run('failed'), true), []);
  assert.deepEqual(offered('completed', run('completed'), true), []);
  assert.deepEqual(offered('running', run('running'), false), []);
});

test('an output is JSON, and nothing written is no update', () => {
  assert.deepEqual(outputOf('{"a": [1]}'), { value: { a: [1] } });
  assert.deepEqual(outputOf('  '), { value: null });
  assert.match(outputOf('{a: 1}').error, /^This is not JSON/);
});

test('a stop is asked twice, and a refusal is told until the run moves on', () => {
  const sent = [];
  const commander = new Commander({ send: (message) => sent.push(message), changed: () => {} });
  commander.press('stop');
  assert.deepEqual([sent, commander.asking], [[], true]);
  commander.confirm(true);
  assert.deepEqual(sent, [{ type: 'command', name: 'stop' }]);
  assert.equal(commander.sent, true);
  commander.refused({ message: 'no' });
  assert.deepEqual([commander.refusal, commander.sent], ['no', false]);
  commander.hear({ status: 'paused' });
  assert.equal(commander.refusal, null);
});

test('whatever the run does next is the answer to a command', () => {
  const commander = new Commander({ send: () => {}, changed: () => {} });
  commander.hear({ status: 'paused' });
  commander.command('step');
  commander.hear({ status: 'paused' });
  assert.equal(commander.sent, false);
});

test('a command of a node holds no button of the header back', () => {
  const commander = new Commander({ send: () => {}, changed: () => {} });
  commander.command('break', { node: 'a', on: true });
  assert.equal(commander.sent, false);
});
