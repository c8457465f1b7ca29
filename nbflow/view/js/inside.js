// The items of a map, or the nodes of a subgraph, in the inspector: a row with each one's status, which opens it. The
// rows are one tab stop; arrows move between them.

import { h } from './dom.js';
import { WORDS, counted } from './format.js';

const STEPS = { ArrowDown: 'nextSibling', ArrowUp: 'previousSibling' };

/** Create the rows for a node's details; `open(path)` is called for the row that a person selects. */
export function inside(data, { icons, open }) {
  const { rows, more } = data.inside ?? { rows: [] };
  if (!rows.length) return null;
  const row = ([part, status, fault]) => {
    const name = data.kind === 'map' ? `[${part}]` : part;
    const path = data.kind === 'map' ? data.node + name : `${data.node}/${part}`;
    return h('button', { class: `nf-part is-${status}`, type: 'button', tabindex: '-1', 'data-path': path, onclick: () => open(path) },
      icons.make(status), h('span', { class: 'nf-mono nf-el', title: name }, name),
      h('span', { class: `nf-el ${fault ? 'nf-s' : 'nf-mut'}`, title: fault }, fault ?? WORDS[status].toLowerCase()));
  };
  const list = h('div', { class: 'nf-inside', role: 'group', 'aria-label': 'Inside', onkeydown: walk }, rows.map(row),
    more ? h('div', { class: 'nf-mut' }, `and ${counted(more)} more`) : null);
  list.firstChild.tabIndex = 0;
  return list;
}

function walk(event) {
  const next = event.target[STEPS[event.key]];
  if (!next?.dataset?.path) return;
  event.target.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
  event.preventDefault();
  event.stopPropagation();
}

/** Focus the row of a path within an element; return false if there is none. */
export function focusRow(element, path) {
  const rows = [...element.querySelectorAll('.nf-part')];
  const found = rows.find((row) => row.dataset.path === path);
  if (!found) return false;
  rows[0].tabIndex = -1;
  found.tabIndex = 0;
  found.focus({ preventScroll: true });
  return true;
}
