import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Announcer, Watcher } from '../../nbflow/view/js/announcer.js';

/** An announcer on a clock the test turns. */
function turned() {
  const said = [];
  const clock = { now: 0, due: null };
  const later = (call, ms) => {
    clock.due = { call, at: clock.now + ms };
    return clock.due;
  };
  const to = (now) => {
    clock.now = now;
    if (clock.due && clock.due.at <= now) {
      const { call } = clock.due;
      clock.due = null;
      call();
    }
  };
  return { said, to, announcer: new Announcer((text) => said.push(text), { now: () => clock.now, later, cancel: () => (clock.due = null) }) };
}

test('at most one line in five seconds, and the newest one', () => {
  const { said, to, announcer } = turned();
  announcer.announce('one');
  to(0);
  announcer.announce('two');
  announcer.announce('three');
  to(4999);
  assert.deepEqual(said, ['one']);
  to(5000);
  assert.deepEqual(said, ['one', 'three']);
});

test('what the page finds when it opens is not news', () => {
  assert.equal(new Watcher('g').look({ status: 'failed', counts: { failed: 2 } }, 4), null);
});

test('waiting, failures, quarters and the end are news, each once', () => {
  const watcher = new Watcher('g');
  const look = (status, counts) => watcher.look({ status, counts }, 4);
  look('running', {});
  assert.equal(look('running', { completed: 1 }), 'g: 25 percent done');
  assert.equal(look('running', { completed: 1, running: 2 }), null);
  assert.equal(look('running', { completed: 1, waiting: 1 }), 'g: 1 waiting for you');
  assert.equal(look('running', { completed: 1, failed: 1 }), 'g: 1 failed');
  assert.equal(look('failed', { completed: 1, failed: 1 }), 'g failed');
  assert.equal(look('failed', { completed: 1, failed: 1 }), null);
});
