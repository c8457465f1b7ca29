// The slider under the body: the run's time, and the moment that all faces show.

import { h } from './dom.js';

export class Slider {
  constructor() {
    this.el = h('footer', { class: 'nf-foot' });
  }

  draw() {}
}
