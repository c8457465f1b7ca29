import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Hands } from '../../nbflow/view/js/hands.js';

const ORDER = { a: 'failed', b: 'completed', c: 'failed', d: 'waiting' };

// What hands ask of a view, written down.
function viewOf() {
  const done = [];
  const note = (name) => (...args) => void done.push([name, ...args]);
  const focusable = (name) => ({ focus: () => done.push(['focus', name]) });
  const model = { scene: { order: Object.keys(ORDER) }, node: (id) => ({ status: ORDER[id] }) };
  const header = { ask: { querySelector: () => focusable('question') } };
  return {
    moment: null, travel: { live: note('live') }, faces: { face: {}, show: note('show') }, body: { classList: { toggle() {} } }, layout() {}, moved() {},
    done, model, header, root: focusable('root'), compact: { open: focusable('open') }, change: {}, inspector: { show: note('inspect') },
    ask: (message) => done.push(['ask', message.type, message.name ?? message.node]), fold: note('fold'), flush: note('flush'), drawHeader() {},
  };
}

test('the next node of a status is the one after the selected, in graph order and around', () => {
  const hands = new Hands(viewOf());
  const found = [1, 2, 3].map(() => (hands.next('failed'), hands.selected));
  assert.deepEqual(found, ['a', 'c', 'a']);
  hands.next('running');
  assert.equal(hands.selected, 'a');
});

test('who goes to a node sees it as it stands now, where its inspector is', () => {
  const view = viewOf();
  Object.assign(view, { moment: { seq: 3 } });
  view.faces.face.wide = true;
  new Hands(view).next('waiting');
  assert.deepEqual(view.done.slice(0, 3), [['live'], ['show', 'graph'], ['inspect', 'd']]);
});

test('a node that is selected is asked for once, and a folded view opens for it', () => {
  const view = viewOf();
  const hands = new Hands(view);
  hands.collapse(true);
  hands.select('b');
  hands.select('b');
  assert.deepEqual(view.done, [['fold', true], ['fold', false], ['inspect', 'b'], ['ask', 'inspect', 'b'], ['flush']]);
});

test('a part is inspected by its path while its node stays selected', () => {
  const view = viewOf();
  const hands = new Hands(view);
  hands.select('b');
  hands.select('b[7]');
  assert.deepEqual([hands.selected, hands.path], ['b', 'b[7]']);
  hands.select('b');
  assert.deepEqual(view.done.filter(([what]) => what === 'ask').map(([, , node]) => node), ['b', 'b[7]', 'b']);
  hands.escape();
  assert.deepEqual([hands.selected, hands.path], [null, null]);
});

test('escape closes the question before a stop, then the inspector', () => {
  const view = viewOf();
  const hands = new Hands(view);
  hands.select('b');
  hands.press('stop');
  hands.escape();
  assert.deepEqual([hands.commander.asking, hands.selected], [false, 'b']);
  hands.escape();
  assert.equal(hands.selected, null);
  assert.ok(!view.done.some(([, , name]) => name === 'stop'));
});

test('focus goes to what is left to act on', () => {
  const view = viewOf();
  const hands = new Hands(view);
  hands.press('stop');
  hands.confirmStop(true);
  hands.collapse(true, true);
  hands.collapse(false, true);
  const seen = view.done.filter(([what]) => what === 'focus').map(([, where]) => where);
  assert.deepEqual(seen, ['question', 'root', 'open', 'root']);
  assert.ok(view.done.some(([what, type, name]) => what === 'ask' && type === 'command' && name === 'stop'));
});
