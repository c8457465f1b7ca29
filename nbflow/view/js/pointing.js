// Mouse and keyboard on a timeline: find the lane and piece of an event, and handle wheel, drag and keys.

import { ABOVE, LANE, rowBox } from './lanes.js';
import { pieceAt } from './spans.js';
import { toX } from './scale.js';
import { wheelOf } from './wheel.js';
import { KEYS } from './zoom.js';

const DRAG = 4; // px a pointer moves before a press becomes a drag
const NEAR = 3; // px: the distance from a bar at which it is still hit
const STEP = { ArrowLeft: -1, ArrowRight: 1 };
const LANES = { ArrowUp: -1, ArrowDown: 1, PageUp: -12, PageDown: 12, Home: -Infinity, End: Infinity };

export class Pointing {
  constructor(face) {
    Object.assign(this, { face, el: face.rows.el, dragged: false });
    const on = (name, act, options) => this.el.addEventListener(name, act, options);
    on('pointerdown', (event) => this.press(event));
    on('pointermove', (event) => this.hover(event));
    on('pointerleave', () => this.leave());
    on('click', (event) => this.click(event));
    on('dblclick', (event) => this.seek(event));
    on('wheel', (event) => this.wheel(event), { passive: false });
    on('keydown', (event) => this.key(event));
    on('blur', () => this.leave(true));
  }

  /** The target of an event: {index, lane, piece, x}, with x in px of the plot. */
  at(event) {
    const { face } = this;
    const box = this.el.getBoundingClientRect();
    const y = event.clientY - box.top + this.el.scrollTop - ABOVE;
    const x = event.clientX - box.left - face.names;
    const index = Math.floor(y / LANE);
    const lane = face.spans.visible[index];
    return { index, lane, x, piece: lane && x >= -NEAR ? this.pieceAt(lane, x, y - index * LANE) : null };
  }

  // If several pieces are under the pointer, prefer the one in the row under it, then the shortest.
  pieceAt(lane, x, y) {
    const { view, plot, upto } = this.face;
    let best = null;
    let least = Infinity;
    lane.rows.forEach((_, row) => {
      const { top, height } = rowBox(lane, row);
      const off = Math.max(0, top - y, y - top - height);
      const { list, at } = lane.since(row, view.from);
      for (let i = at; i < list.length && list[i].begin <= view.to; i += 1) {
        const now = pieceAt(list[i], upto);
        if (!now) continue;
        const [from, to] = [toX(list[i].begin, view, plot), toX(now.end, view, plot)];
        if (from > x + NEAR) break;
        const cost = off * 1e6 + (to - from) + (lane.kind === 'map' && row === 0 ? 1e6 : 0);
        if (to >= x - NEAR && cost < least) [best, least] = [list[i], cost];
      }
    });
    return best;
  }

  hover(event) {
    if (event.buttons || event.pointerType === 'touch') return;
    const { lane, piece } = this.at(event);
    const box = this.face.el.getBoundingClientRect();
    this.face.tip.show(piece, lane, { x: event.clientX - box.left, y: event.clientY - box.top });
    this.el.style.cursor = lane ? 'pointer' : '';
    this.face.tip.draw(this.face);
  }

  leave(all = false) {
    const { face } = this;
    if (all && face.cursor.piece) {
      face.cursor.piece = null;
      face.paintSoon();
    }
    face.tip.show(null);
    face.tip.draw(face);
  }

  click(event) {
    const { lane, piece, index } = this.at(event);
    if (this.dragged || !lane) return;
    if (event.target.closest('.nf-tl-turn')) this.face.toggle(lane);
    else if (event.shiftKey && piece) this.face.choose(lane, { seek: piece });
    else if (event.detail < 2) {
      this.face.cursor = { index, piece: null };
      this.face.choose(lane);
    }
  }

  // The first click of a double click has already selected the node.
  seek(event) {
    const { lane, piece } = this.at(event);
    if (piece) this.face.choose(lane, { seek: piece });
  }

  press(event) {
    if (event.button !== 0 || event.pointerType === 'touch') return;
    this.dragged = false;
    let last = event.clientX;
    const move = (e) => {
      this.dragged ||= Math.abs(e.clientX - event.clientX) > DRAG && this.face.zoomed !== null;
      if (!this.dragged) return;
      this.el.setPointerCapture(event.pointerId);
      this.el.classList.add('drags');
      this.face.pan(last - e.clientX);
      last = e.clientX;
    };
    const end = () => {
      this.el.removeEventListener('pointermove', move);
      this.el.classList.remove('drags');
    };
    this.el.addEventListener('pointermove', move);
    for (const name of ['pointerup', 'pointercancel']) this.el.addEventListener(name, end, { once: true });
  }

  wheel(event) {
    const { face } = this;
    const { factor, px } = wheelOf(event);
    if (factor !== null) face.zoom(factor, Math.max(0, this.at(event).x));
    else if (face.zoomed !== null && px) face.pan(px);
    else return;
    event.preventDefault();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.act(event)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  act(event) {
    const { face } = this;
    const lanes = face.spans.visible;
    const index = Math.max(0, Math.min(face.cursor.index, lanes.length - 1));
    const { piece } = face.cursor;
    if (event.key in KEYS) face.press(KEYS[event.key]);
    else if (!lanes.length) return false;
    else if (event.key in LANES) face.moveTo(Math.max(0, Math.min(lanes.length - 1, index + LANES[event.key])), null);
    else if (event.key in STEP) face.moveTo(index, this.beside(lanes[index], piece, STEP[event.key]));
    else if (event.key === 'Enter') face.choose(lanes[index], { seek: event.shiftKey ? piece : null });
    else if (event.key === ' ') face.toggle(lanes[index]);
    else return false;
    return true;
  }

  beside(lane, piece, step) {
    const pieces = lane.pieces.filter((one) => pieceAt(one, this.face.upto));
    const at = piece ? pieces.indexOf(piece) + step : step > 0 ? 0 : pieces.length - 1;
    return pieces[Math.max(0, Math.min(pieces.length - 1, at))] ?? null;
  }
}
