// One node of a large graph's overview: a small square in its stage's column. It has the interface of a card and
// almost none of the work.

import { s, setText } from './dom.js';

const OVER = new Set(['completed', 'skipped']);

/** The head of a column: how many of its nodes are over, and how many failed. */
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

export class Cell {
  constructor(rect, { box, stage, marks }) {
    Object.assign(this, { rect, box, stage, marks, status: null, cross: null });
    [this.x, this.y] = ['x', 'y'].map((name) => Number(rect.getAttribute(name)));
  }

  /** Draw the status; returns the stage whose head it changes, or null. */
  draw(node) {
    if (node.status === this.status) return null;
    this.stage.move(this.status, node.status);
    this.status = node.status;
    this.rect.setAttribute('class', `nf-cell is-${node.status}`);
    if ((node.status === 'failed') !== (this.cross !== null)) this.mark(node.status === 'failed');
    return this.stage;
  }

  // A failed cell is larger and crossed: colour alone would not be seen among thousands.
  mark(failed) {
    this.cross?.remove();
    this.cross = failed ? s('path', { d: `M${this.x - 1} ${this.y - 1}h8v8h-8zm2 2l4 4m0-4l-4 4` }) : null;
    if (failed) this.marks.append(this.cross);
  }

  setSelected() {}

  setOverview() {}

  tick() {}

  left() {}

  drawCaption() {}
}
