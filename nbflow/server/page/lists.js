// The column at the left: the graphs, and the runs as they come and go.

import { duration, h, look, plural, setText, StatusIcons, WORDS } from './view.js';
import * as api from './api.js';

const EVERY = 2000; // ms between two looks at the runs
const GRAPHS_EVERY = 5; // looks at the runs to one at the graphs, which change when their file does
const STATUSES = ['running', 'waiting', 'paused', 'completed', 'failed', 'cancelled'];

const icons = new StatusIcons('nfp-');

/** A moment as a person says it: the time today, else the day. */
function moment(iso) {
  const at = new Date(iso);
  const today = at.toDateString() === new Date().toDateString();
  return today ? at.toLocaleTimeString([], { timeStyle: 'short' }) : at.toLocaleDateString([], { dateStyle: 'medium' });
}

/** A list whose rows are made once per key and changed in place, so that focus and scroll stay. */
class Rows {
  constructor(label) {
    this.rows = new Map();
    this.el = h('ul', { class: 'pg-rows', 'aria-label': label });
  }

  show(entries, keyOf, make) {
    const keys = new Set(entries.map(keyOf));
    for (const [key, row] of this.rows) {
      if (keys.has(key)) continue;
      row.el.remove();
      this.rows.delete(key);
    }
    entries.forEach((entry, place) => {
      const key = keyOf(entry);
      if (!this.rows.has(key)) this.rows.set(key, make(entry));
      const row = this.rows.get(key);
      row.draw(entry);
      if (this.el.children[place] !== row.el) this.el.insertBefore(row.el, this.el.children[place] ?? null);
    });
  }

  mark(key) {
    for (const [other, row] of this.rows) {
      if (other === key) row.link.setAttribute('aria-current', 'page');
      else row.link.removeAttribute('aria-current');
    }
  }
}

function graphRow(graph) {
  const about = h('span', { class: 'nf-mut' });
  const link = h('a', { class: 'pg-row', href: `#graph/${encodeURIComponent(graph.name)}` }, h('span', { class: 'nf-el' }, graph.name), about);
  return {
    link,
    el: h('li', {}, link),
    draw: ({ nodes }) => setText(about, `${nodes} ${plural(nodes, 'node')}`),
  };
}

function runRow(run) {
  const icon = icons.make(look(run.status));
  const [when, took, word] = [h('span', { class: 'nf-mut' }), h('span', { class: 'nf-mut nf-num' }), h('span', { class: 'nf-sr' })];
  const name = h('span', { class: 'pg-name' }, h('span', { class: 'nf-el' }, run.graph), when);
  const link = h('a', { class: 'pg-row', href: `#run/${run.run_id}` }, icon, name, word, took);
  return {
    link,
    el: h('li', {}, link),
    draw({ status, started, ended, execution_time: seconds, owner }) {
      const left = !ended && owner === null;
      link.className = `pg-row is-${look(status)}`;
      icons.set(icon, status === 'paused' ? 'paused' : look(status));
      setText(word, WORDS[status] ?? status);
      setText(when, `${moment(started)}${left ? ' · its process ended' : ''}`);
      setText(took, ended ? duration(seconds) : '');
    },
  };
}

export class Lists {
  constructor({ onFault }) {
    Object.assign(this, { onFault, pages: 1, looks: 0, turn: 0, asking: false, current: null, of: null });
    this.graphs = new Rows('Graphs');
    this.runs = new Rows('Runs');
    this.none = h('p', { class: 'nf-mut pg-none', hidden: true });
    this.status = h('select', { class: 'nf-in', 'aria-label': 'Only runs that are' },
      h('option', { value: '' }, 'All runs'), STATUSES.map((status) => h('option', { value: status }, WORDS[status])));
    this.status.addEventListener('change', () => this.refresh());
    this.scope = h('button', { class: 'pg-scope', type: 'button', hidden: true }, h('span', { class: 'nf-el' }), h('span', { 'aria-hidden': 'true' }, '×'));
    this.scope.addEventListener('click', () => this.narrow(null));
    this.more = h('button', { class: 'nf-btn pg-more', type: 'button', hidden: true }, 'Show older');
    this.more.addEventListener('click', () => {
      this.pages += 1;
      this.refresh();
    });
    this.el = h('nav', { class: 'pg-side', 'aria-label': 'Graphs and runs' }, icons.symbols(),
      h('h2', {}, 'Graphs'), this.graphs.el, h('div', { class: 'pg-head' }, h('h2', {}, 'Runs'), this.status), this.scope, this.runs.el, this.none, this.more);
  }

  async begin() {
    await this.refreshGraphs();
    await this.refresh();
    setInterval(() => document.hidden || this.look(), EVERY);
    document.addEventListener('visibilitychange', () => document.hidden || this.look());
  }

  look() {
    this.looks += 1;
    if (this.looks % GRAPHS_EVERY === 0) this.refreshGraphs();
    if (!this.asking) this.refresh();
  }

  async refreshGraphs() {
    await this.trying(async () => {
      this.graphs.show(await api.graphs(), ({ name }) => `graph/${name}`, graphRow);
      this.graphs.mark(this.current);
    });
  }

  /** Request the runs again; a response to an earlier request that arrives later is ignored. */
  async refresh() {
    const mine = (this.turn += 1);
    this.asking = true;
    await this.trying(async () => {
      const found = await this.read();
      if (mine === this.turn) this.draw(found);
    });
    if (mine === this.turn) this.asking = false;
  }

  draw({ runs, next }) {
    this.runs.show(runs, (run) => `run/${run.run_id}`, runRow);
    this.none.hidden = runs.length > 0;
    setText(this.none, this.of || this.status.value ? 'No such runs' : 'No runs yet');
    this.more.hidden = next === null;
    this.runs.mark(this.current);
  }

  /** List only the runs of a graph; of all with null. */
  narrow(name) {
    if (name === this.of) return;
    Object.assign(this, { of: name, pages: 1 });
    this.scope.hidden = name === null;
    setText(this.scope.firstChild, `Only of ${name}`);
    this.scope.setAttribute('aria-label', `Only of ${name}: show the runs of all graphs`);
    this.refresh();
  }

  async read() {
    let [runs, cursor] = [[], null];
    for (let page = 0; page < this.pages; page += 1) {
      const found = await api.runs({ graph: this.of, status: this.status.value, limit: 50, cursor });
      runs = [...runs, ...found.runs];
      cursor = found.next;
      if (cursor === null) break;
    }
    return { runs, next: cursor };
  }

  async trying(action) {
    try {
      await action();
      this.onFault(null);
    } catch (error) {
      this.onFault(error);
    }
  }

  /** Mark what is shown: `run/ID`, or `graph/NAME`, whose runs are listed then. */
  mark(key) {
    this.current = key;
    if (key.startsWith('graph/')) this.narrow(key.slice(6));
    this.graphs.mark(key);
    this.runs.mark(key);
  }
}
