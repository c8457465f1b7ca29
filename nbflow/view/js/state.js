// The state face.

import { h } from './dom.js';

export class StateFace {
  constructor() {
    this.el = h('div', { class: 'nf-state' }, h('p', { class: 'nf-mut nf-none' }, 'Nothing yet.'));
  }

  get types() {
    return ['state'];
  }

  show() {}

  receive() {}

  draw() {}

  tick() {}

  layout() {}
}
