// Lists of nodes: all nodes by rank (the main view when narrow, and the text alternative of the graph at any width),
// and for large graphs "Needs attention" and "Slowest running". Lists have at most `MOST` rows.

import { h, setAttr, setText } from './dom.js';
import { secondLine } from './format.js';
import { attention, ranked, slowest } from './model.js';

const MOST = 120;
const ATTENTION = 60;
const SLOWEST = 8;

/** A list with one row per node id; an update moves and rewrites rows instead of creating them again. */
class Rows {
  constructor(icons, onSelect) {
    Object.assign(this, { icons, rows: new Map(), order: [], stops: true });
    this.el = h('ul', { class: 'nf-rows', onclick: (event) => this.click(event, onSelect), onkeydown: (event) => this.key(event) });
    this.more = h('li', { class: 'nf-mut nf-more' });
  }

  draw(ids, model, now, { selected = null, rest = 0 } = {}) {
    const keep = new Set(ids);
    for (const [id, row] of this.rows) {
      if (keep.has(id)) continue;
      row.item.remove();
      this.rows.delete(id);
    }
    ids.forEach((id, i) => {
      const row = this.rows.get(id) ?? this.add(id);
      this.write(row, model.node(id), now, id === selected);
      row.button.tabIndex = this.stops && i === 0 ? 0 : -1;
    });
    this.arrange(ids);
    setText(this.more, `and ${rest} more`);
    if (rest > 0) this.el.append(this.more);
    else this.more.remove();
  }

  // The browser computes the layout of each moved row again, so of two rows that swapped only the one that went further
  // is moved.
  arrange(ids) {
    const to = new Map(ids.map((id, i) => [id, i]));
    const was = this.order.filter((id) => to.has(id));
    const from = new Map(was.map((id, i) => [id, i]));
    const moved = new Set();
    let at = 0;
    ids.forEach((id, i) => {
      const rises = moved.has(id) ? Infinity : from.get(id) ?? Infinity;
      while (at < was.length && (moved.has(was[at]) || to.get(was[at]) - i > rises - at)) moved.add(was[at++]);
      if (was[at] === id) at += 1;
      else {
        moved.add(id);
        this.el.insertBefore(this.rows.get(id).item, this.rows.get(was[at])?.item ?? null);
      }
    });
    this.order = ids;
  }

  add(id) {
    const icon = this.icons.make('pending');
    const name = h('span', { class: 'nf-el' }, id);
    const text = document.createTextNode('');
    const bad = h('b', { class: 'nf-bad' });
    const button = h('button', { class: 'nf-row', type: 'button', 'data-n': id }, icon, name, h('span', { class: 'nf-mut nf-num' }, text, bad));
    const row = { item: h('li', {}, button), button, icon, text, bad, status: null };
    this.rows.set(id, row);
    return row;
  }

  write(row, node, now, selected) {
    if (row.status !== node.status) {
      row.status = node.status;
      this.icons.set(row.icon, node.status);
    }
    setAttr(row.button, 'class', `nf-row is-${node.status}${selected ? ' sel' : ''}`);
    const { text, bad } = secondLine(node, now);
    const lead = bad && text ? `${text} · ` : text;
    if (row.text.data !== lead) row.text.data = lead;
    setText(row.bad, bad);
  }

  click(event, onSelect) {
    const button = event.target.closest?.('.nf-row');
    if (button) onSelect(button.getAttribute('data-n'));
  }

  key(event) {
    const step = { ArrowDown: 'nextSibling', ArrowUp: 'previousSibling' }[event.key];
    const next = step && event.target.closest('li')?.[step]?.querySelector?.('.nf-row');
    if (!next) return;
    next.focus();
    event.preventDefault();
    event.stopPropagation();
  }
}

export class NodeList {
  constructor(icons, onSelect) {
    this.rows = new Rows(icons, onSelect);
    this.el = h('div', { class: 'nf-list', role: 'group', 'aria-label': 'Nodes' }, this.rows.el);
  }

  draw(model, now, { selected, narrow }) {
    const { order } = model.scene;
    const ids = ranked(order, model, MOST);
    this.rows.stops = narrow; // beside the graph, which is a tab stop, the list is none
    this.rows.draw(ids, model, now, { selected, rest: order.length - ids.length });
  }
}

export class SideLists {
  constructor(icons, onSelect) {
    const part = (title) => {
      const rows = new Rows(icons, onSelect);
      const count = h('span', { class: 'nf-num' });
      return { rows, count, head: h('h2', {}, title, count), box: h('div', { class: 'nf-scroll' }, rows.el) };
    };
    [this.needs, this.slow] = [part('Needs attention'), part('Slowest running')];
    const { needs, slow } = this;
    this.el = h('div', { class: 'nf-side' }, needs.head, needs.box, slow.head, slow.box);
  }

  draw(model, now, selected) {
    const { order } = model.scene;
    const needs = attention(order, model, ATTENTION);
    const slow = slowest(model, SLOWEST);
    setText(this.needs.count, `${needs.total} of ${order.length}`);
    setText(this.slow.count, `${slow.total} running`);
    this.needs.rows.draw(needs.ids, model, now, { selected, rest: needs.total - needs.ids.length });
    this.slow.rows.draw(slow.ids, model, now, { selected, rest: 0 });
  }
}
