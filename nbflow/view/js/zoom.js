// The buttons and keys that zoom a graph, and the one that searches it.

import { h, s } from './dom.js';

const STEP = 1.25;
const TOOLS = {
  find: ['Find a node (/)', 'M7 2.75a4.25 4.25 0 1 1 0 8.5a4.25 4.25 0 0 1 0-8.5zM10.25 10.25l3.5 3.5'],
  out: ['Zoom out (-)', 'M4 8h8'],
  in: ['Zoom in (+)', 'M4 8h8M8 4v8'],
  fit: ['Show the whole graph (0)', 'M2.75 6V2.75H6M10 2.75h3.25V6M13.25 10v3.25H10M6 13.25H2.75V10'],
};
const KEYS = { '+': 'in', '=': 'in', '-': 'out', 0: 'fit' };

const drawn = (d) => s('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, s('path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': 1.5 }));

export class Zoom {
  constructor(pan, { find }) {
    Object.assign(this, { pan, find });
    this.el = h('div', { class: 'nf-zoom', role: 'group', 'aria-label': 'Find and zoom' },
      Object.entries(TOOLS).map(([name, [title, d]]) =>
        h('button', { class: `nf-z${name}`, type: 'button', title, 'aria-label': title, onclick: () => this.press(name) }, drawn(d))));
  }

  press(name) {
    if (name === 'find') this.find();
    else if (name === 'fit') this.pan.fit();
    else this.pan.zoom(name === 'in' ? STEP : 1 / STEP);
  }

  /** Act on a key pressed in the graph; returns whether it means something here. */
  key(event) {
    const name = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
    if (name) this.press(name);
    return name !== undefined;
  }
}
