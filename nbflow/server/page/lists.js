// The column at the left: the graphs, and the runs as they come and go.

import { duration, h, look, plural, setText, StatusIcons, WORDS } from './view.js';
import * as api from './api.js';

const EVERY = 2000; // ms between two looks at the runs
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
    Object.assign(this, { onFault, pages: 1, asking: false, current: null });
    this.graphs = new Rows('Graphs');
    this.runs = new Rows('Runs');
    this.none = h('p', { class: 'nf-mut pg-none', hidden: true }, 'No runs yet');
    this.status = h('select', { class: 'nf-in', 'aria-label': 'Only runs that are' },
      h('option', { value: '' }, 'All runs'), STATUSES.map((status) => h('option', { value: status }, WORDS[status])));
    this.status.addEventListener('change', () => this.refresh());
    this.more = h('button', { class: 'nf-btn pg-more', type: 'button', hidden: true }, 'Show older');
    this.more.addEventListener('click', () => {
      this.pages += 1;
      this.refresh();
    });
    this.el = h('nav', { class: 'pg-side', 'aria-label': 'Graphs and runs' }, icons.symbols(),
      h('h2', {}, 'Graphs'), this.graphs.el, h('div', { class: 'pg-head' }, h('h2', {}, 'Runs'), this.status), this.runs.el, this.none, this.more);
  }

  async begin() {
    await this.refreshGraphs();
    await this.refresh();
    setInterval(() => document.hidden || this.refresh(), EVERY);
  }

  async refreshGraphs() {
    await this.trying(async () => this.graphs.show(await api.graphs(), ({ name }) => `graph/${name}`, graphRow));
    this.mark(this.current);
  }

  async refresh() {
    if (this.asking) return;
    this.asking = true;
    await this.trying(async () => {
      const { runs, next } = await this.read();
      this.runs.show(runs, (run) => `run/${run.run_id}`, runRow);
      this.none.hidden = runs.length > 0;
      this.more.hidden = next === null;
      this.mark(this.current);
    });
    this.asking = false;
  }

  async read() {
    let [runs, cursor] = [[], null];
    for (let page = 0; page < this.pages; page += 1) {
      const found = await api.runs({ status: this.status.value, limit: 50, cursor });
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

  /** Mark what is shown: `run/ID` or `graph/NAME`. */
  mark(key) {
    this.current = key;
    this.graphs.mark(key);
    this.runs.mark(key);
  }
}
