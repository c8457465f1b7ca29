import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clampOffset, fit, neighbour, reveal, whole, zoomTo } from '../../nbflow/view/js/geometry.js';

const BOX = { width: 1000, height: 300 };

test('a small drawing is enlarged a little at most', () => {
  assert.deepEqual(fit(BOX, { width: 100, height: 50 }), { scale: 1.15, pans: false });
});

test('a drawing fits while its texts stay readable, else it is panned', () => {
  assert.deepEqual(fit(BOX, { width: 1200, height: 100 }), { scale: 1000 / 1200, pans: false });
  const far = fit(BOX, { width: 5000, height: 100 });
  assert.ok(far.pans && far.scale >= 0.82);
});

test('an overview without text always fits', () => {
  assert.equal(fit(BOX, { width: 5000, height: 100 }, 0.05).pans, false);
});

test('a zoom goes no farther than all of the drawing and no closer than is of use', () => {
  const size = { width: 5000, height: 100 };
  assert.equal(whole(BOX, size), 0.2);
  assert.deepEqual(zoomTo(0, BOX, size), { scale: 0.2, pans: false });
  assert.deepEqual(zoomTo(0.5, BOX, size), { scale: 0.5, pans: true });
  assert.deepEqual(zoomTo(99, BOX, size), { scale: 4, pans: true });
});

test('a panned drawing leaves no gap, a smaller one is centred', () => {
  assert.deepEqual(clampOffset({ x: 50, y: 9 }, { width: 2000, height: 100 }, BOX), { x: 0, y: 100 });
  assert.deepEqual(clampOffset({ x: -5000, y: 0 }, { width: 2000, height: 100 }, BOX), { x: -1000, y: 100 });
});

test('what is in view is not moved, what is not comes in by the shortest way', () => {
  assert.deepEqual(reveal({ x: -100, y: 0 }, { x: 400, y: 100, width: 100, height: 36 }, BOX), { x: -100, y: 0 });
  const { x } = reveal({ x: 0, y: 0 }, { x: 1500, y: 100, width: 100, height: 36 }, BOX, 24);
  assert.equal(1600 + x, 1000 - 24);
});

test('an arrow goes to the nearest node that way, and nowhere past the last', () => {
  const at = (x, y) => ({ x, y, width: 10, height: 10 });
  const rects = new Map([['a', at(0, 0)], ['b', at(50, 5)], ['c', at(50, 60)], ['d', at(0, 60)]]);
  assert.equal(neighbour(rects, 'a', 'ArrowRight'), 'b');
  assert.equal(neighbour(rects, 'a', 'ArrowDown'), 'd');
  assert.equal(neighbour(rects, 'b', 'ArrowRight'), null);
  assert.equal(neighbour(rects, 'a', 'x'), null);
});
