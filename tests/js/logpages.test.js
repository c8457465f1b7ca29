import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asText, LogPages } from '../../nbflow/view/js/logpages.js';

const ALL = { node: null, level: 'all', text: '', at: null };
const SIGHT = { first: 0, last: 20 };

/** The kernel's answer to a question, of `total` rows of which `dropped` cannot be scrolled to. */
function answer({ type, first, count, ...filter }, total, { dropped = 0, seen = total, of = total } = {}) {
  const begin = Math.max(dropped, first < 0 ? total - count : first);
  const rows = Array.from({ length: Math.max(0, Math.min(total, begin + count) - begin) }, (_, i) => ({ text: `row ${begin + i}` }));
  return { type, ...filter, first: begin, rows, total, dropped, seen, of };
}

function opened(total, more) {
  const pages = new LogPages();
  pages.use(ALL);
  pages.receive(answer(pages.question(SIGHT, { atEnd: true, news: true }), total, more));
  return pages;
}

test('a log is opened at its end', () => {
  const pages = opened(1000);
  assert.deepEqual([pages.count, pages.row(999).text, pages.row(0)], [1000, 'row 999', undefined]);
});

test('one question is on its way at a time, and none when all in sight is here', () => {
  const pages = opened(50);
  assert.equal(pages.question(SIGHT, { atEnd: true, news: false }), null);
  assert.equal(pages.question(SIGHT, { atEnd: true, news: true }).first, -1);
  assert.equal(pages.question(SIGHT, { atEnd: true, news: true }), null);
});

test('rows scrolled to are asked for with some on either side', () => {
  const pages = opened(1000);
  const question = pages.question({ first: 400, last: 420 }, { atEnd: false, news: false });
  assert.deepEqual([question.first, question.count], [300, 220]);
  pages.receive(answer(question, 1000));
  assert.equal(pages.row(410).text, 'row 410');
});

test('news that nobody looks at is counted and not fetched', () => {
  const pages = opened(1000);
  pages.receive(answer(pages.question(SIGHT, { atEnd: false, news: true }), 1000));
  assert.equal(pages.question(SIGHT, { atEnd: false, news: true }).count, 0);
});

test('rows that are left out count, and are not scrolled to', () => {
  const pages = opened(500_000, { dropped: 100_000 });
  assert.deepEqual([pages.total, pages.count, pages.row(399_999).text], [500_000, 400_000, 'row 499999']);
});

test('what the kernel has not looked through yet is asked for again', () => {
  const pages = opened(10, { seen: 10, of: 90 });
  assert.equal(pages.whole, false);
  assert.notEqual(pages.question(SIGHT, { atEnd: true, news: false }), null);
});

test('an answer to an older filter is passed over', () => {
  const pages = opened(1000);
  const question = pages.question(SIGHT, { atEnd: true, news: true });
  assert.equal(pages.use({ ...ALL, node: 'lint' }), true);
  assert.equal(pages.receive(answer(question, 1000)), false);
  assert.equal(pages.count, 0);
});

test('another moment keeps the rows in sight until the kernel has counted', () => {
  const pages = opened(1000);
  pages.use({ ...ALL, at: 30 });
  assert.equal(pages.row(999).text, 'row 999');
  pages.receive(answer(pages.question(SIGHT, { atEnd: true, news: false }), 40));
  assert.equal(pages.count, 40);
});

test('what the page keeps is bounded', () => {
  const pages = opened(100_000);
  for (let first = 0; first < 20_000; first += 100) {
    const question = pages.question({ first, last: first + 20 }, { atEnd: false, news: false });
    if (question) pages.receive(answer(question, 100_000));
  }
  assert.ok(pages.rows.size <= 4000);
  assert.equal(pages.row(19_910).text, 'row 19910');
});

test('a copied row is time, node and text', () => {
  assert.equal(asText({ clock: 2, node: null, text: 'run started' }, String), '2\t\trun started');
});
