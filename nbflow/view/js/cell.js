// One node in the overview of a large graph: a small square in the column of its stage. It has the interface of a Card
// with far less work; its accessible name is set only once the keyboard reaches it.

import { s, setAttr, setText } from './dom.js';
import { spoken } from './format.js';

const OVER = new Set(['completed', 'skipped']);

/** The head of a column, with the counts of its ended and failed nodes. */
export class Stage {
  constructor(group) {
    this.meta = group.querySelector('.nf-meta');
    this.counts = new Map();
    this.total = 0;
  }

  move(from, to) {
    if (from === null) this.total += 1;
    else this.counts.set(from, this.counts.get(from) - 1);
    this.counts.set(to, (this.counts.get(to) ?? 0) + 1);
  }

  draw() {
    if (!this.meta) return;
    let over = 0;
    for (const status of OVER) over += this.counts.get(status) ?? 0;
    const failed = this.counts.get('failed') ?? 0;
    const text = `${over}/${this.total}${failed ? ` ×${failed}` : ''}`;
    if (this.meta.textContent === text) return;
    setText(this.meta, `${over}/${this.total}`);
    if (failed) this.meta.append(s('tspan', { class: 'nf-bad' }, ` ×${failed}`));
  }
}

/** A frame around one cell, drawn over all cells, which are too close together for individual outlines. */
export class Ring {
  constructor(look) {
    this.el = s('rect', { class: look, width: 12, height: 12, rx: 2, visibility: 'hidden' });
  }

  draw(cell) {
    setAttr(this.el, 'visibility', cell ? null : 'hidden');
    for (const name of ['x', 'y']) if (cell) setAttr(this.el, name, cell[name] - 3);
  }
}

export class Cell {
  constructor(rect, { id, kind, box, stage, marks }) {
    Object.assign(this, { group: rect, id, kind, box, stage, marks, node: null, status: null, cross: null, dot: null, named: false, selected: false });
    [this.x, this.y] = ['x', 'y'].map((name) => Number(rect.getAttribute(name)));
  }

  /** Draw the node's status; return the stage whose counts changed, or null. */
  draw(node, now, breaks = false) {
    this.node = node;
    if (breaks !== (this.dot !== null)) this.setBreak(breaks);
    this.call();
    if (node.status === this.status) return null;
    this.stage.move(this.status, node.status);
    this.status = node.status;
    this.group.setAttribute('class', `nf-cell is-${node.status}`);
    if ((node.status === 'failed') !== (this.cross !== null)) this.mark(node.status === 'failed');
    return this.stage;
  }

  // A failed cell is larger and has a cross: among thousands of cells colour alone is not noticed.
  mark(failed) {
    this.cross?.remove();
    this.cross = failed ? s('path', { d: `M${this.x - 1} ${this.y - 1}h8v8h-8zm2 2l4 4m0-4l-4 4` }) : null;
    if (failed) this.marks.prepend(this.cross); // a breakpoint's dot lies over it
  }

  setBreak(on) {
    this.dot?.remove();
    this.dot = on ? s('circle', { class: 'nf-brk', cx: this.x, cy: this.y, r: 3 }) : null;
    if (on) this.marks.append(this.dot);
  }

  /** Make the cell the graph's tab stop, or no longer. */
  setStop(on) {
    setAttr(this.group, 'tabindex', on ? '0' : '-1');
    this.named ||= on;
    this.call();
  }

  setSelected(on) {
    this.selected = on;
    this.call();
  }

  // The name has no durations, since cells are not updated every second.
  call() {
    if (!this.named || !this.node) return;
    setAttr(this.group, 'role', 'button');
    setAttr(this.group, 'aria-label', spoken(this.id, this.kind, { ...this.node, since: null }, 0) + (this.dot ? ', breakpoint' : ''));
    setAttr(this.group, 'aria-pressed', String(this.selected));
  }

  setOverview() {}

  tick() {}

  left() {}

  drawCaption() {}
}
