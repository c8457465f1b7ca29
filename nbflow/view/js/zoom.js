// The buttons and keys that zoom a graph, and the one that searches it.

import { h } from './dom.js';
import { controlIcon } from './icons.js';

const STEP = 1.25;
const TITLES = { find: 'Find a node (/)', out: 'Zoom out (-)', in: 'Zoom in (+)', fit: 'Show the whole graph (0)' };
/** The button that each key presses. */
export const KEYS = { '+': 'in', '=': 'in', '-': 'out', 0: 'fit' };

export class Zoom {
  constructor(pan, { find }) {
    Object.assign(this, { pan, find });
    this.el = h('div', { class: 'nf-zoom', role: 'group', 'aria-label': 'Find and zoom' },
      Object.entries(TITLES).map(([name, title]) =>
        h('button', { class: `nf-z${name}`, type: 'button', title, 'aria-label': title, onclick: () => this.press(name) }, controlIcon(name))));
  }

  press(name) {
    if (name === 'find') this.find();
    else if (name === 'fit') this.pan.fit();
    else this.pan.zoom(name === 'in' ? STEP : 1 / STEP);
  }

  /** Handle a key pressed in the graph; return false if it has no meaning here. */
  key(event) {
    const name = event.ctrlKey || event.metaKey || event.altKey ? undefined : KEYS[event.key];
    if (name) this.press(name);
    return name !== undefined;
  }
}
