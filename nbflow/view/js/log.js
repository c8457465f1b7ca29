// The log face.

import { h } from './dom.js';

export class LogFace {
  constructor() {
    this.el = h('div', { class: 'nf-log' }, h('p', { class: 'nf-mut nf-none' }, 'Nothing yet.'));
  }

  get types() {
    return ['log'];
  }

  show() {}

  receive() {}

  draw() {}

  tick() {}

  layout() {}
}
