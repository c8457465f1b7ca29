// The timeline face.

import { h } from './dom.js';

export class TimelineFace {
  constructor() {
    this.el = h('div', { class: 'nf-timeline' }, h('p', { class: 'nf-mut nf-none' }, 'Nothing yet.'));
  }

  get types() {
    return ['spans'];
  }

  show() {}

  receive() {}

  draw() {}

  tick() {}

  layout() {}
}
