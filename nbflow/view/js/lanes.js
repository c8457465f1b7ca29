// Draw the lanes of a timeline on a canvas: only the visible ones, and of pieces within one pixel only the first.
//
// `about`: {spans, lanes, view, domain, upto, top (px scrolled), plot (width of the view in px), nodes (lane -> node of
// the model, or null), focus (a piece or null)}.

import { BARS, stroke, THIN } from './bars.js';
import { pathAt, pieceAt } from './spans.js';
import { ticks, toX } from './scale.js';

export const LANE = 20; // px
export const ABOVE = 8; // px above the first lane
const BAR = { top: 4, height: 12 };
const CRITICAL = 17.5; // px: the y of the critical path in a lane
const FAR = 8; // px: bars are cut this far outside the view
const TEXT = 14; // px: the least width of a bar with a number
const SHADE = 0.13;
const WEIGHT = { queued: 0, backoff: 0, completed: 1, cached: 1, skipped: 1, running: 2, cancelled: 3, waiting: 4, failed: 5 };

/** The position of a row in its lane: {top, height} in px. Row 0 of a map is the map itself, behind its items. */
export function rowBox(lane, row) {
  const map = lane.kind === 'map';
  const rows = Math.max(1, lane.rows.length - map);
  if (map && row === 0) return BAR;
  const pitch = Math.min(map ? 3 : BAR.height, BAR.height / rows);
  const gap = pitch >= 2 && (map || rows > 1) ? 1 : 0;
  const above = BAR.top + (BAR.height - rows * pitch + gap) / 2;
  return { top: above + (row - map) * pitch, height: Math.max(1, pitch - gap) };
}

export class LanePainter {
  constructor() {
    this.el = document.createElement('canvas');
    this.el.className = 'nf-tl-canvas';
    this.el.setAttribute('aria-hidden', 'true');
    this.pen = this.el.getContext('2d');
  }

  resize(width, height) {
    const dense = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * dense), Math.round(height * dense)];
    if (this.el.width !== across || this.el.height !== down) {
      Object.assign(this.el, { width: across, height: down });
      Object.assign(this.el.style, { width: `${width}px`, height: `${height}px` });
    }
    Object.assign(this, { width, height });
    this.pen.setTransform(dense, 0, 0, dense, 0, 0);
  }

  paint(about, colours) {
    const { pen, width, height } = this;
    Object.assign(this, about, { colours });
    pen.clearRect(0, 0, width, height);
    this.ground();
    const first = Math.max(0, Math.floor((this.top - ABOVE) / LANE));
    const last = Math.min(this.lanes.length, Math.ceil((this.top + height - ABOVE) / LANE));
    for (let i = first; i < last; i += 1) this.lane(this.lanes[i], this.y(i));
    this.critical();
    this.playhead();
  }

  x(time) {
    const x = toX(time, this.view, this.plot);
    return Math.min(Math.max(x, -FAR), this.width + FAR);
  }

  y(index) {
    return ABOVE + index * LANE - this.top;
  }

  ground() {
    const { pen, height, colours, view, plot, upto } = this;
    pen.fillStyle = colours.panel;
    for (const [from, until] of this.spans.pauses) {
      const end = Math.min(until ?? upto.time, upto.time);
      if (from < end) pen.fillRect(this.x(from), 0, this.x(end) - this.x(from), height);
    }
    const upright = (time) => [Math.round(this.x(time)) + 0.5, 0, Math.round(this.x(time)) + 0.5, height];
    stroke(pen, ticks(view, plot).at.map(upright), colours.line, 1);
    const resumed = this.spans.resumes.filter(([time]) => time >= view.from && time <= view.to);
    stroke(pen, resumed.map(([time]) => upright(time)), colours.pending.l, 1, [4, 3]);
  }

  lane(lane, y) {
    const node = this.nodes(lane);
    for (let row = 0; row < lane.rows.length; row += 1) this.row(lane, row, y, node);
    if (lane.left && !this.drawn(lane)) this.leftOut(lane, y, node);
  }

  drawn(lane) {
    const first = lane.rows[0]?.list[0];
    return first !== undefined && pieceAt(first, this.upto) !== null;
  }

  row(lane, row, y, node) {
    const { top, height } = rowBox(lane, row);
    const { list, at } = lane.since(row, this.view.from);
    const ground = lane.kind === 'map' && row === 0;
    let [edge, weight] = [-Infinity, 0];
    for (let i = at; i < list.length && list[i].begin <= this.view.to; i += 1) {
      const piece = list[i];
      const now = pieceAt(piece, this.upto);
      if (!now) continue;
      const x = this.x(piece.begin);
      const end = this.x(now.end);
      if (end < edge && end - x < 1 && WEIGHT[now.kind] <= weight) continue;
      const touches = list[i + 1] && this.x(list[i + 1].begin) - end < 1 && end - x > 4;
      const box = { x, y: y + top, width: Math.max(2, end - x - (touches ? 1 : 0)), height };
      this.piece(piece, now, box, ground);
      if (height === BAR.height && !ground) this.number(lane, piece, now, box, node);
      [edge, weight] = [x + box.width, WEIGHT[now.kind]];
    }
  }

  piece(piece, now, box, ground) {
    const { pen, colours } = this;
    if (ground && now.kind !== 'waiting') {
      pen.globalAlpha = SHADE;
      pen.fillStyle = colours[THIN[now.kind]].l;
      pen.fillRect(box.x, box.y, box.width, box.height);
      pen.globalAlpha = 1;
    } else if (box.height < 8) {
      const bold = now.kind === 'failed' ? 0.5 : 0;
      pen.fillStyle = colours[THIN[now.kind]].l;
      pen.fillRect(box.x, box.y - bold, box.width, box.height + 2 * bold);
    } else BARS[now.kind](pen, box, colours);
    if (piece === this.focus) this.ring(box);
  }

  ring({ x, y, width, height }) {
    const { pen } = this;
    pen.beginPath();
    pen.roundRect(x - 2, y - 2, width + 4, height + 4, 3);
    pen.strokeStyle = this.colours.focus;
    pen.lineWidth = 2;
    pen.stroke();
  }

  number(lane, piece, now, box, node) {
    const text = this.words(lane, piece, now, node);
    const x = Math.max(box.x, 0) + 4;
    if (!text || box.x + box.width - x < TEXT - 4 || box.width < TEXT) return;
    const { pen, colours } = this;
    pen.font = `600 10px ${colours.font}`;
    if (pen.measureText(text).width > box.x + box.width - x - (now.kind === 'failed' ? 12 : 2)) return;
    pen.fillStyle = now.kind === 'failed' || now.kind === 'cached' ? colours[THIN[now.kind]].s : colours.bg;
    pen.fillText(text, x, box.y + 9.5);
  }

  words(lane, piece, now, node) {
    if (!['running', 'completed', 'cached', 'failed'].includes(now.kind)) return '';
    if (piece.count > 1) return `×${piece.count}`;
    if (now.live && node?.progress != null) return `${Math.floor(node.progress * 100)} %`;
    return lane.visits > 1 && piece.attempt === 1 ? String(piece.visit) : '';
  }

  leftOut(lane, y, node) {
    const [time, seq, condition] = lane.left;
    if (seq > this.upto.seq || time > this.upto.time) return;
    const { pen, colours } = this;
    pen.font = `10px ${colours.font}`;
    pen.fillStyle = colours.ink2;
    const text = `${node?.status === 'pending' ? 'not taken' : 'skipped'}: ${condition} → no`;
    pen.fillText(text, this.x(time) + 4, y + 13.5);
  }

  critical() {
    const { pen, colours, view } = this;
    const { places } = this.spans;
    const hops = pathAt(this.spans.path, this.upto).map((hop) => ({ ...hop, y: this.y(places.get(hop.lane)) + CRITICAL }));
    const inView = hops.filter(({ begin, end }) => end >= view.from && begin <= view.to);
    stroke(pen, inView.map(({ begin, end, y }) => [this.x(begin), y, this.x(end), y]), colours.ink, 1.5);
    stroke(pen, this.handOvers(hops), colours.ink, 1, [1.5, 1.5]);
  }

  // Steps of the path within one pixel are drawn as one vertical line over all of their lanes.
  handOvers(hops) {
    const lines = [];
    hops.slice(1).forEach(({ begin, y }, i) => {
      if (begin < this.view.from || begin > this.view.to) return;
      const x = Math.round(this.x(begin)) + 0.5;
      const [top, bottom] = [Math.min(hops[i].y, y), Math.max(hops[i].y, y)];
      const last = lines.at(-1);
      if (last?.[0] === x) [last[1], last[3]] = [Math.min(last[1], top), Math.max(last[3], bottom)];
      else lines.push([x, top, x, bottom]);
    });
    return lines;
  }

  playhead() {
    const { time } = this.upto;
    if (time < this.view.from || time > this.view.to) return;
    const x = Math.round(this.x(time)) - 0.5;
    stroke(this.pen, [[x, 0, x, this.height]], this.colours.sel, 1);
  }
}
