// The drawing in its box: fitted, or zoomed and panned by drag, wheel and keyboard focus. The wheel scrolls the
// notebook, except with Ctrl or Cmd, and except sideways while the drawing extends beyond the box on that side.

import { clampOffset, fit, reveal, whole, zoomTo } from './geometry.js';
import { wheelOf } from './wheel.js';

const DRAG = 4; // px a pointer moves before a press becomes a drag

export class Pan {
  constructor(canvas) {
    Object.assign(this, { canvas, svg: null, offset: { x: 0, y: 0 }, scale: 1, pans: false, held: false });
    Object.assign(this, { zoomed: null, zooms: true });
    canvas.addEventListener('pointerdown', (event) => this.press(event));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    canvas.addEventListener('click', (event) => this.swallow(event), true);
  }

  show(svg, size) {
    Object.assign(this, { svg, size, held: false, zoomed: null });
    this.canvas.replaceChildren(svg);
  }

  /** Compute scale and offset again after the box changed. `readable`: the scale below which the drawing is panned. */
  layout(readable) {
    const box = { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
    if (!this.svg || !box.width || !box.height) return;
    Object.assign(this, { box, readable });
    const { scale, pans } = this.zoomed === null ? fit(box, this.size, readable) : zoomTo(this.zoomed, box, this.size);
    Object.assign(this, { scale, pans });
    this.drawn = { width: this.size.width * this.scale, height: this.size.height * this.scale };
    this.svg.setAttribute('width', this.drawn.width);
    this.svg.setAttribute('height', this.drawn.height);
    this.canvas.classList.toggle('pans', this.pans);
    this.move(this.offset);
  }

  /** Zoom by a factor about a point of the page, by default the middle of the box. */
  zoom(factor, at = null) {
    if (!this.box || !this.zooms) return;
    const before = this.canvas.getBoundingClientRect();
    const point = at ?? { x: before.left + before.width / 2, y: before.top + before.height / 2 };
    const spot = { x: (point.x - before.left - this.offset.x) / this.scale, y: (point.y - before.top - this.offset.y) / this.scale };
    this.held = true;
    this.scaleTo(this.scale * factor);
    const after = this.canvas.getBoundingClientRect();
    this.move({ x: point.x - after.left - spot.x * this.scale, y: point.y - after.top - spot.y * this.scale });
  }

  /** Show the whole drawing or, if it is shown and unreadable, return to the readable scale. */
  fit() {
    if (!this.box) return;
    this.held = false;
    this.scaleTo(this.zoomed === 0 ? null : 0);
  }

  // Computed twice, since a panned drawing has no margin and so another box.
  scaleTo(wished) {
    const all = wished !== null && wished <= whole(this.box, this.size);
    this.zoomed = all ? (fit(this.box, this.size, this.readable).pans ? 0 : null) : wished;
    this.layout(this.readable);
    this.layout(this.readable);
  }

  move(wished) {
    this.offset = clampOffset(wished, this.drawn, this.box);
    this.svg.style.transform = `translate(${Math.round(this.offset.x)}px, ${Math.round(this.offset.y)}px)`;
  }

  /** Pan so that a box of the drawing is visible; no effect if the whole drawing is. */
  reveal(rect) {
    if (!this.pans || !rect || !this.box) return;
    const k = this.scale;
    this.move(reveal(this.offset, { x: rect.x * k, y: rect.y * k, width: rect.width * k, height: rect.height * k }, this.box));
  }

  press(event) {
    if (!this.pans || event.button !== 0) return;
    const from = { x: event.clientX - this.offset.x, y: event.clientY - this.offset.y };
    const begin = { x: event.clientX, y: event.clientY };
    let dragging = false;
    const move = (e) => {
      dragging ||= Math.hypot(e.clientX - begin.x, e.clientY - begin.y) > DRAG;
      if (!dragging) return;
      this.held = this.dragged = true;
      this.canvas.setPointerCapture(event.pointerId);
      this.canvas.classList.add('drags');
      this.move({ x: e.clientX - from.x, y: e.clientY - from.y });
    };
    const end = () => {
      this.canvas.removeEventListener('pointermove', move);
      this.canvas.classList.remove('drags');
      setTimeout(() => (this.dragged = false));
    };
    this.canvas.addEventListener('pointermove', move);
    for (const name of ['pointerup', 'pointercancel']) this.canvas.addEventListener(name, end, { once: true });
  }

  // Suppress the click at the end of a drag, which would select a node.
  swallow(event) {
    if (this.dragged) event.stopPropagation();
  }

  wheel(event) {
    const { factor, px } = wheelOf(event);
    if (factor !== null) {
      this.zoom(factor, { x: event.clientX, y: event.clientY });
      if (this.zooms) event.preventDefault();
      return;
    }
    if (!this.pans || !px) return;
    const before = this.offset.x;
    this.move({ x: before - px, y: this.offset.y });
    if (this.offset.x === before) return;
    this.held = true;
    event.preventDefault();
  }
}
