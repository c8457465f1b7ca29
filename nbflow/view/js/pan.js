// The drawing in its box: fitted, or panned by drag, wheel and keyboard focus. The notebook keeps its own scrolling:
// only a sideways wheel is taken, and only while there is something left to show on that side.

import { clampOffset, fit, reveal } from './geometry.js';

const DRAG = 4; // px a pointer moves before a press becomes a drag

export class Pan {
  constructor(canvas) {
    Object.assign(this, { canvas, svg: null, offset: { x: 0, y: 0 }, scale: 1, pans: false, held: false });
    canvas.addEventListener('pointerdown', (event) => this.press(event));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
    canvas.addEventListener('click', (event) => this.swallow(event), true);
  }

  show(svg, size) {
    Object.assign(this, { svg, size, held: false });
    this.canvas.replaceChildren(svg);
  }

  /** Fit again, after the box changed. `readable`: the scale under which the drawing is panned. */
  layout(readable) {
    const box = { width: this.canvas.clientWidth, height: this.canvas.clientHeight };
    if (!this.svg || !box.width || !box.height) return;
    this.box = box;
    Object.assign(this, fit(box, this.size, readable));
    this.drawn = { width: this.size.width * this.scale, height: this.size.height * this.scale };
    this.svg.setAttribute('width', this.drawn.width);
    this.svg.setAttribute('height', this.drawn.height);
    this.canvas.classList.toggle('pans', this.pans);
    this.move(this.offset);
  }

  move(wished) {
    this.offset = clampOffset(wished, this.drawn, this.box);
    this.svg.style.transform = `translate(${Math.round(this.offset.x)}px, ${Math.round(this.offset.y)}px)`;
  }

  /** Bring a box of the drawing into view; does nothing when all is in view. */
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

  // The click at the end of a drag selects nothing.
  swallow(event) {
    if (this.dragged) event.stopPropagation();
  }

  wheel(event) {
    const sideways = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
    if (!this.pans || event.ctrlKey || (!event.shiftKey && Math.abs(event.deltaX) <= Math.abs(event.deltaY))) return;
    const before = this.offset.x;
    this.move({ x: before - sideways, y: this.offset.y });
    if (this.offset.x === before) return;
    this.held = true;
    event.preventDefault();
  }
}
