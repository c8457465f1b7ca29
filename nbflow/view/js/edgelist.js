// The edges of the node in the inspector, into it and out of it, each with why it was taken or not, as a click on a drawn
// edge has it. It stands where no edge can be pointed at: beside cells, and under the narrow picture.

import { h, setAttr, setText } from './dom.js';
import { counted, endName, takenWord } from './format.js';

/** What a node's details say of its edges, in order: [{key, name, into}]. Pure. */
export const edgesOf = ({ edges }) => [
  ...(edges?.in ?? []).map(([key, name]) => ({ key, name, into: true })),
  ...(edges?.out ?? []).map(([key, name]) => ({ key, name, into: false })),
];

export class EdgeList {
  constructor({ ask, select }) {
    Object.assign(this, { ask, select, rows: new Map(), at: null });
    this.el = h('div', {});
  }

  /** Forget the node. */
  clear() {
    this.rows.clear();
    this.el.replaceChildren();
  }

  /** Draw the edges as they stood after event `at`; null is now. */
  draw(data, model, at) {
    this.at = at;
    const edges = edgesOf(data);
    if (!this.rows.size && edges.length) this.build(edges, data.edges.more);
    for (const row of this.rows.values()) this.write(row, model.edge(row.key));
  }

  build(edges, more) {
    const rows = edges.map((edge) => this.add(edge));
    const rest = more ? h('div', { class: 'nf-mut' }, `and ${counted(more)} more`) : null;
    this.el.append(h('section', { class: 'nf-sec nf-ways' }, h('h2', {}, 'Edges'), rows, rest));
  }

  add({ key, name, into }) {
    const way = h('span', { class: 'nf-mut' }, into ? 'from' : 'to');
    const node = name === 'END' ? h('span', {}, endName(name)) : h('button', { class: 'nf-link', type: 'button', onclick: () => this.select(name) }, name);
    const button = h('button', { class: 'nf-link', type: 'button', 'aria-expanded': 'false', title: 'Why', onclick: () => this.toggle(row) });
    const text = h('div', { class: 'nf-mut nf-num', hidden: true });
    const row = { key, about: `edge ${into ? 'from' : 'to'} ${endName(name)}`, button, text, stands: '', told: null, asking: false };
    this.rows.set(key, row);
    return h('div', { class: 'nf-way' }, way, h('span', { class: 'nf-el', title: name }, node), button, text);
  }

  write(row, edge) {
    const word = takenWord(edge);
    setText(row.button, word);
    setAttr(row.button, 'aria-label', `${word}, ${row.about}`);
    row.stands = `${edge.state} ${edge.count} ${this.at}`;
    this.pull(row);
  }

  toggle(row) {
    row.text.hidden = !row.text.hidden;
    setAttr(row.button, 'aria-expanded', String(!row.text.hidden));
    Object.assign(row, { told: null, asking: false });
    this.pull(row);
  }

  // One question of an edge is on its way; what changes meanwhile is asked for after its answer.
  pull(row) {
    if (row.text.hidden || row.asking || row.told === row.stands) return;
    Object.assign(row, { told: row.stands, asking: true });
    this.ask({ type: 'why', edge: row.key, at: this.at });
  }

  /** The kernel's answer to `why`, or that it takes another question to come to that moment. */
  receive({ edge, at, text, more }) {
    const row = this.rows.get(edge);
    if (!row) return;
    row.asking = false;
    if (more) row.told = null;
    else if (at === this.at) setText(row.text, text);
    this.pull(row);
  }
}
