import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EdgeList, edgesOf } from '../../nbflow/view/js/edgelist.js';

// As much of a page as the list needs.
class Element {
  constructor() {
    Object.assign(this, { attributes: new Map(), childNodes: [], hidden: false, textContent: '' });
  }

  append(...children) {
    this.childNodes.push(...children);
  }

  replaceChildren(...children) {
    this.childNodes = children;
  }

  setAttribute(name, value) {
    this.attributes.set(name, value);
    if (name === 'hidden') this.hidden = true;
  }

  getAttribute(name) {
    return this.attributes.get(name) ?? null;
  }

  addEventListener() {}
}

globalThis.Node = Element;
globalThis.document = { createElement: () => new Element(), createTextNode: (text) => Object.assign(new Element(), { textContent: text }) };

/** A list of one edge whose reason is open at a moment, and what it asks. */
function opened(at) {
  const asked = [];
  const list = new EdgeList({ ask: (message) => asked.push(message), select() {} });
  const model = { edge: () => ({ state: 'taken', count: 1 }) };
  list.draw({ edges: { in: [], out: [['a>b', 'b']], more: 0 } }, model, at);
  const row = list.rows.get('a>b');
  list.toggle(row);
  return { list, row, asked };
}

test('edges are listed in their order, those into the node first', () => {
  assert.deepEqual(edgesOf({ edges: { in: [['x>a', 'x']], out: [['a>b', 'b']] } }).map(({ key, into }) => [key, into]), [['x>a', true], ['a>b', false]]);
});

test('who is told that it takes another question asks on, and shows nothing until it is answered', () => {
  const { list, row, asked } = opened(9);
  list.receive({ edge: 'a>b', at: 9, more: true });
  assert.deepEqual([asked.length, row.text.textContent], [2, '']);
  list.receive({ edge: 'a>b', at: 9, text: 'Taken' });
  assert.deepEqual([asked.length, row.text.textContent], [2, 'Taken']);
});
