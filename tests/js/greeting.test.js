import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Greeting } from '../../nbflow/view/js/greeting.js';

// A clock that a test winds on by hand.
function greetingAt() {
  const said = [];
  let due = null;
  let now = 0;
  const later = (act, ms) => (due = { act, at: now + ms });
  const never = (timer) => {
    if (timer === due) due = null;
  };
  const greeting = new Greeting((message) => said.push([message.type, now]), { later, never });
  const wind = (to) => {
    while (due && due.at <= to) {
      const { act, at } = due;
      now = at;
      due = null;
      act();
    }
    now = to;
  };
  return { greeting, said, wind };
}

test('a page that gets no answer says ready again, ever more seldom', () => {
  const { greeting, said, wind } = greetingAt();
  greeting.begin();
  wind(20_000);
  assert.deepEqual(said, [['ready', 0], ['ready', 1000], ['ready', 3000], ['ready', 7000], ['ready', 15_000]]);
});

test('a page that was answered is silent', () => {
  const { greeting, said, wind } = greetingAt();
  greeting.begin();
  wind(1500);
  greeting.end();
  wind(60_000);
  assert.equal(said.length, 2);
});

test('a page that greets anew begins with short waits again, and with one clock', () => {
  const { greeting, said, wind } = greetingAt();
  greeting.begin();
  wind(4000);
  greeting.begin();
  wind(5500);
  assert.deepEqual(said.map(([, at]) => at), [0, 1000, 3000, 4000, 5000]);
});
