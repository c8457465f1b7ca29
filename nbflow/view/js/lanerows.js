// The rows with the names of a timeline's lanes: icon, name and count, and an accessible name that sums up the lane.

import { h, setAttr, setText } from './dom.js';
import { fares, groupText } from './lane.js';
import { LANE } from './lanes.js';
import { laneText, statusAt } from './spans.js';
import { RowWindow } from './window.js';

const NAMES = 12; // names in the title of a group

const namesOf = ({ name, inside }) =>
  `${name}: ${inside.slice(0, NAMES).map(({ path }) => path).join(', ')}${inside.length > NAMES ? ` and ${inside.length - NAMES} more` : ''}`;

export class LaneRows {
  /** `face` has the spans, the moment, the model, the selection and the cursor. */
  constructor(face) {
    Object.assign(this, { face, spoken: new Map() });
    this.window = new RowWindow({
      rowHeight: LANE, make: () => this.make(), write: (row, index) => this.write(row, index),
      attributes: { class: 'nf-window nf-tl-lanes', role: 'listbox' },
    });
  }

  /** Discard the accessible names of the lanes, since the lanes have changed. */
  forget() {
    this.spoken.clear();
  }

  draw(lanes) {
    setAttr(this.window.el, 'aria-label', `Timeline, ${lanes.length} lanes`);
    this.window.draw(lanes.length);
  }

  make() {
    const turn = h('span', { class: 'nf-tl-turn', 'aria-hidden': 'true' });
    return h('div', { role: 'option' }, h('div', { class: 'nf-tl-name' }, this.face.icons.make('pending'), h('span', { class: 'nf-el' }),
      h('span', { class: 'nf-tl-count nf-num' }), turn));
  }

  write(row, index) {
    const { spans, selected, cursor, icons, prefix } = this.face;
    const lane = spans.visible[index];
    const group = lane.kind === 'group' ? fares(lane.inside.map((one) => this.statusOf(one))) : null;
    const status = group?.status ?? this.statusOf(lane);
    const chosen = (group && !lane.open ? lane.inside : [lane]).some(({ path }) => path !== null && path === selected);
    const [icon, name, count, turn] = row.firstChild.children;
    const marks = [`is-${status}`, chosen && 'sel', cursor.index === index && 'at'];
    setAttr(row, 'class', ['nf-tl-row', ...marks.filter(Boolean)].join(' '));
    if (row.status !== status) icons.set(icon, (row.status = status));
    setText(name, lane.name);
    setAttr(name, 'title', lane.path ?? namesOf(lane));
    setText(count, group ? `${group.done}/${group.of}` : '');
    setText(turn, lane.inside.length ? (lane.open ? '▾' : '▸') : '');
    row.firstChild.style.paddingLeft = `${12 + lane.depth * 12}px`;
    const about = { id: `${prefix}lane${lane.number}`, 'data-n': lane.path, 'aria-selected': String(chosen), 'aria-posinset': index + 1,
      'aria-setsize': spans.visible.length, 'aria-label': group ? groupText(lane, group) : this.textOf(lane, status) };
    for (const [key, value] of Object.entries(about)) setAttr(row, key, value);
  }

  statusOf(lane) {
    return lane.outermost ? this.face.model.node(lane.path).status : statusAt(lane, this.face.upto);
  }

  // A lane's accessible name depends on all of its pieces, so it is computed once per answer, moment and second.
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
