// The incoming and outgoing edges of the inspected node, each with the reason why it was taken or not. The list is
// shown where edges cannot be clicked: with the overview of cells, and below the narrow picture.

import { h, setAttr, setText } from './dom.js';
import { counted, endName, takenWord } from './format.js';

/** The edges in a node's details, in order: [{key, name, into}]. Pure. */
export const edgesOf = ({ edges }) => [
  ...(edges?.in ?? []).map(([key, name]) => ({ key, name, into: true })),
  ...(edges?.out ?? []).map(([key, name]) => ({ key, name, into: false })),
];

export class EdgeList {
  constructor({ ask, select }) {
    Object.assign(this, { ask, select, rows: new Map(), at: null });
    this.el = h('div', {});
  }

  /** Remove the rows. */
  clear() {
    this.rows.clear();
    this.el.replaceChildren();
  }

  /** Draw the edges in their states after event `at`, null for the present. */
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
    const row = { key, about: `edge ${into ? 'from' : 'to'} ${endName(name)}`, button, text, state: '', asked: null, asking: false };
    this.rows.set(key, row);
    return h('div', { class: 'nf-way' }, way, h('span', { class: 'nf-el', title: name }, node), button, text);
  }

  write(row, edge) {
    const word = takenWord(edge);
    setText(row.button, word);
    setAttr(row.button, 'aria-label', `${word}, ${row.about}`);
    row.state = `${edge.state} ${edge.count} ${this.at}`;
    this.pull(row);
  }

  toggle(row) {
    row.text.hidden = !row.text.hidden;
    setAttr(row.button, 'aria-expanded', String(!row.text.hidden));
    Object.assign(row, { asked: null, asking: false });
    this.pull(row);
  }

  // Each edge has at most one open request; changes in the meantime are requested after its answer.
  pull(row) {
    if (row.text.hidden || row.asking || row.asked === row.state) return;
    Object.assign(row, { asked: row.state, asking: true });
    this.ask({ type: 'why', edge: row.key, at: this.at });
  }

  /** Show the kernel's answer to `why`; with `more` the kernel has not reached that moment, and is asked again. */
  receive({ edge, at, text, more }) {
    const row = this.rows.get(edge);
    if (!row) return;
    row.asking = false;
    if (more) row.asked = null;
    else if (at === this.at) setText(row.text, text);
    this.pull(row);
  }
}
