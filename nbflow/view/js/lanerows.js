// The names of a timeline's lanes: rows that say status and node to the eye, and to a screen reader how the node fared.

import { h, setAttr, setText } from './dom.js';
import { LANE } from './lanes.js';
import { laneText, statusAt } from './spans.js';
import { RowWindow } from './window.js';

export class LaneRows {
  /** `face` has the spans, the moment, the model, and what is selected and at. */
  constructor(face) {
    Object.assign(this, { face, spoken: new Map() });
    this.window = new RowWindow({
      rowHeight: LANE, make: () => this.make(), write: (row, index) => this.write(row, index),
      attributes: { class: 'nf-window nf-tl-lanes', role: 'listbox' },
    });
  }

  /** Forget what was said of the lanes: there is news of them. */
  forget() {
    this.spoken.clear();
  }

  draw(lanes) {
    setAttr(this.window.el, 'aria-label', `Timeline, ${lanes.length} lanes`);
    this.window.draw(lanes.length);
  }

  make() {
    const turn = h('span', { class: 'nf-tl-turn', 'aria-hidden': 'true' });
    return h('div', { role: 'option' }, h('div', { class: 'nf-tl-name' }, this.face.icons.make('pending'), h('span', { class: 'nf-el' }), turn));
  }

  write(row, index) {
    const { spans, selected, cursor, icons, prefix } = this.face;
    const lane = spans.visible[index];
    const status = this.statusOf(lane);
    const [icon, name, turn] = row.firstChild.children;
    const marks = [`is-${status}`, lane.path === selected && 'sel', cursor.index === index && 'at'];
    setAttr(row, 'class', ['nf-tl-row', ...marks.filter(Boolean)].join(' '));
    if (row.status !== status) icons.set(icon, (row.status = status));
    setText(name, lane.name);
    setAttr(name, 'title', lane.path);
    setText(turn, lane.inside.length ? (lane.open ? '▾' : '▸') : '');
    row.firstChild.style.paddingLeft = `${12 + lane.depth * 12}px`;
    const about = { id: `${prefix}lane${lane.number}`, 'data-n': lane.path, 'aria-selected': String(lane.path === selected),
      'aria-posinset': index + 1, 'aria-setsize': spans.visible.length, 'aria-label': this.textOf(lane, status) };
    for (const [key, value] of Object.entries(about)) setAttr(row, key, value);
  }

  statusOf(lane) {
    return lane.depth ? statusAt(lane, this.face.upto) : this.face.model.node(lane.path).status;
  }

  // The words of a lane are made of all its pieces: once per answer, moment and second.
  textOf(lane, status) {
    const { upto } = this.face;
    const key = `${status} ${upto.seq} ${Math.floor(upto.time)}`;
    const known = this.spoken.get(lane.number);
    if (known?.key === key) return known.text;
    const text = laneText(lane, status, upto);
    this.spoken.set(lane.number, { key, text });
    return text;
  }
}
