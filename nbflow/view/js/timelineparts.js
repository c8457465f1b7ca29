// The elements around a timeline's lanes: the zoom buttons, the tooltip of a bar, and the legend.

import { h, s, setAttr, setText } from './dom.js';
import { duration, elapsed } from './format.js';
import { controlIcon } from './icons.js';
import { tickText } from './scale.js';
import { BETWEEN, pathTimes, pieceAt } from './spans.js';

const TOOLS = { out: ['Zoom out (-)', 'out'], in: ['Zoom in (+)', 'in'], fit: ['Show the whole run (0)', 'span'] };
const SAID = {
  running: 'running for', completed: 'completed in', cached: 'taken from the cache in', failed: 'failed after', cancelled: 'cancelled after',
  skipped: 'output given by a person', queued: 'queued for', backoff: 'waited before the next try for', waiting: 'waited for a person for',
};

/** The zoom buttons. */
export const tools = (face) =>
  h('div', { class: 'nf-tl-tools', role: 'group', 'aria-label': 'Zoom' },
    Object.entries(TOOLS).map(([name, [title, icon]]) =>
      h('button', { type: 'button', title, 'aria-label': title, onclick: () => face.press(name) }, controlIcon(icon))));

/** The text of a start time, more precise for a short run. */
const start = (time, end) => tickText(time, end < 10 ? 0.01 : 0.1, Math.max(end, 1));

/** The texts of a piece's tooltip at `upto`: [title, text]. */
export function pieceText(piece, lane, upto) {
  const now = pieceAt(piece, upto) ?? { kind: piece.kind, end: piece.begin };
  const item = lane.kind === 'map' && piece.row > 0;
  const which = [item ? `item ${piece.visit}` : lane.visits > 1 && `visit ${piece.visit}`, lane.tries > 1 && `try ${piece.attempt}`];
  const many = piece.count > 1 ? [`${piece.count} visits`] : which.filter(Boolean);
  const long = duration(Math.max(0, now.end - piece.begin));
  const said = now.live && !BETWEEN.has(now.kind) ? 'running for' : SAID[now.kind];
  const took = now.kind === 'skipped' ? said : `${said} ${long}`;
  return [[lane.path, ...many].join(', '), `${took}, from ${start(piece.begin, upto.time)}`];
}

export class Tip {
  constructor() {
    [this.title, this.text] = [h('b'), h('span', { class: 'nf-num' })];
    this.box = h('div', { class: 'nf-tl-tip', hidden: true, 'aria-hidden': 'true' }, this.title, this.text);
    this.said = h('div', { class: 'nf-sr', role: 'status' });
    this.el = h('div', {}, this.box, this.said);
    this.piece = null;
  }

  /** Show the tooltip of a piece, or hide it for null: at a point, or, with `spoken`, at the bar and announced. */
  show(piece, lane = null, { x = null, y = null, spoken = false } = {}) {
    Object.assign(this, { piece, lane, x, y, spoken });
  }

  draw(face) {
    this.box.hidden = this.piece === null;
    if (this.piece === null) return;
    const [title, text] = pieceText(this.piece, face.spans.lanes[this.piece.lane], face.upto);
    setText(this.title, title);
    setText(this.text, text);
    if (this.spoken) setText(this.said, `${title}, ${text}`);
    this.place(face);
  }

  place(face) {
    const { x, y } = this.x === null ? face.pointOf(this.piece, this.lane) : this;
    const { clientWidth: width, clientHeight: height } = face.el;
    const [wide, high] = [this.box.offsetWidth, this.box.offsetHeight];
    const left = Math.max(4, Math.min(x + 10, width - wide - 4));
    const top = y + 16 + high > height ? y - high - 8 : y + 16;
    this.box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}

const swatch = (...parts) => s('svg', { viewBox: '0 0 20 12', 'aria-hidden': 'true' }, parts);
const line = (attributes) => s('line', { x1: 0, x2: 20, y1: 6, y2: 6, 'stroke-width': 2, ...attributes });
const box = (attributes, inset = 0.5) => s('rect', { x: inset, y: 1 + inset, width: 20 - 2 * inset, height: 10 - 2 * inset, rx: 1.5, ...attributes });

export class Legend {
  constructor(prefix) {
    const hatch = `${prefix}hatch`;
    this.words = h('span', {});
    [this.length, this.waited] = [h('b', { class: 'nf-num' }), h('span', { class: 'nf-num' })];
    this.critical = h('span', { hidden: true }, swatch(line({ class: 'nf-tl-ink' })),
      h('span', {}, 'Critical path ', this.length, this.waited));
    this.merged = h('span', { hidden: true, title: 'A node ran too often to draw every visit: neighbours are one bar with their number' }, '×n: visits drawn as one');
    const person = [s('pattern', { id: hatch, width: 5, height: 5, patternUnits: 'userSpaceOnUse', patternTransform: 'rotate(45)' },
      s('line', { y2: 5, class: 'nf-tl-hatch' })), box({ class: 'nf-tl-ground' }), box({ fill: `url(#${hatch})`, class: 'nf-tl-edge' })];
    const cross = s('path', { d: 'M11.5 3.5l5 5M16.5 3.5l-5 5', class: 'nf-tl-cross' });
    this.el = h('div', { class: 'nf-tl-legend' }, this.critical,
      h('span', { class: 'is-failed' }, swatch(box({ class: 'nf-tl-ground nf-tl-edge' }), cross), 'failed try'),
      h('span', { class: 'is-retrying' }, swatch(line({ class: 'nf-tl-thread', 'stroke-dasharray': '2 3' })), 'back-off'),
      h('span', { class: 'is-waiting' }, swatch(person), 'person'),
      h('span', { class: 'is-pending' }, swatch(line({ class: 'nf-tl-thread' })), 'queued'), this.merged);
  }

  draw(spans, now) {
    const times = pathTimes(spans.path, now);
    this.critical.hidden = times === null;
    this.merged.hidden = !spans.merged;
    if (!times) return;
    const words = spans.path.live ? elapsed : duration;
    setText(this.length, words(times.length));
    setText(this.waited, times.waited >= 0.05 ? `, ${words(times.waited)} of it waiting for you` : '');
    setAttr(this.critical, 'title', 'The chain of steps from the start to the end, each of which waited for the one before');
  }
}
