import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clampView, domainEnd, niceStep, pan, revealTime, ticks, tickText, toTime, toX, zoom } from '../../nbflow/view/js/scale.js';

const WHOLE = { from: 0, to: 120 };

test('a step is one that a person counts in', () => {
  const steps = [0.0013, 0.02, 0.4, 0.6, 3, 11, 16, 31, 700, 4000, 90000].map(niceStep);
  assert.deepEqual(steps, [0.002, 0.02, 0.5, 1, 5, 15, 30, 60, 900, 7200, 172800]);
});

test('ticks stand at whole steps, far enough apart to be read', () => {
  assert.deepEqual(ticks({ from: 0, to: 134 }, 843), { step: 30, at: [0, 30, 60, 90, 120] });
  assert.deepEqual(ticks({ from: 61, to: 64 }, 400).at, [61, 62, 63, 64]);
  for (const to of [0.003, 0.7, 9, 1000, 1e6]) {
    const { step } = ticks({ from: 0, to }, 843);
    assert.ok((step / to) * 843 >= 110, `${to} s`);
  }
});

test('a tick says minutes and seconds, and in a short run seconds or milliseconds', () => {
  assert.deepEqual([0, 30, 134, 3600].map((t) => tickText(t, 30)), ['0:00', '0:30', '2:14', '1:00:00']);
  assert.equal(tickText(83.5, 0.5, 134), '1:23.5');
  assert.equal(tickText(59.999999, 0.05, 134), '1:00.00');
  assert.equal(tickText(1.5, 0.5, 4), '1.5 s');
  assert.equal(tickText(0.02, 0.01, 0.08), '20 ms');
});

test('a place and its moment are each other\'s inverse', () => {
  const view = { from: 20, to: 80 };
  assert.equal(toX(50, view, 600), 300);
  assert.equal(toTime(toX(33.25, view, 600), view, 600), 33.25);
});

test('zooming leaves the moment under the pointer where it is', () => {
  const near = zoom(WHOLE, 2, 30, 120);
  assert.deepEqual(near, { from: 15, to: 75 });
  assert.equal(toX(30, near, 600), toX(30, WHOLE, 600));
});

test('no view leaves the run, and none is wider than it', () => {
  assert.deepEqual(zoom({ from: 10, to: 60 }, 0.01, 20, 120), WHOLE);
  assert.deepEqual(pan({ from: 10, to: 40 }, -600, 600, 120), { from: 0, to: 30 });
  assert.deepEqual(pan({ from: 10, to: 40 }, 6000, 600, 120), { from: 90, to: 120 });
  assert.deepEqual(clampView({ from: 100, to: 150 }, 120), { from: 70, to: 120 });
});

test('zooming ends where there is nothing more to see', () => {
  let view = WHOLE;
  for (let i = 0; i < 200; i += 1) view = zoom(view, 3, 60, 120);
  assert.ok(view.to - view.from > 0);
  assert.ok(ticks(view, 800).at.length < 20);
});

test('a view moves as little as shows a bar', () => {
  assert.deepEqual(revealTime({ from: 0, to: 20 }, 5, 10, 120), { from: 0, to: 20 });
  assert.deepEqual(revealTime({ from: 0, to: 20 }, 30, 35, 120), { from: 16, to: 36 });
  assert.deepEqual(revealTime({ from: 50, to: 70 }, 30, 100, 120), { from: 29, to: 49 });
});

test('the axis of a live run leaves room for the bars to grow into, and that of one that is over none', () => {
  assert.equal(domainEnd(134, false, 843), 134);
  assert.equal(domainEnd(134, true, 843), 135);
  assert.equal(domainEnd(134.9, true, 843), domainEnd(134.1, true, 843));
  assert.ok(domainEnd(0, true, 843) > 0);
});
