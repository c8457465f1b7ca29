// The colours of the style sheet for drawing on a canvas, which has no access to CSS. They follow the theme.

import { h } from './dom.js';

const STATUSES = ['pending', 'running', 'waiting', 'retrying', 'completed', 'failed', 'cancelled', 'skipped'];
const PLAIN = ['ink', 'ink2', 'panel', 'line', 'line2', 'sel', 'focus'];

export class Colours {
  /** `onChange` is called when the theme changed. */
  constructor(onChange) {
    this.statuses = STATUSES.map((status) => h('i', { class: `is-${status}` }));
    this.plain = PLAIN.map((name) => {
      const probe = h('i');
      probe.style.color = `var(--nf-${name})`;
      return probe;
    });
    this.el = h('div', { class: 'nf-probes', 'aria-hidden': 'true' }, this.statuses, this.plain);
    const changed = () => {
      this.known = null;
      onChange();
    };
    this.scheme = window.matchMedia('(prefers-color-scheme: dark)');
    this.scheme.addEventListener('change', changed);
    this.theme = new MutationObserver(changed);
    this.theme.observe(document.body, { attributes: true, attributeFilter: ['data-jp-theme-light', 'data-jp-theme-name'] });
    this.changed = changed;
  }

  /** The colours by name, and for each status {s: text and icon, l: border, f: fill}; `font` is the font family. */
  get all() {
    this.known ??= this.read();
    return this.known;
  }

  read() {
    const { fontFamily: font, backgroundColor: bg } = getComputedStyle(this.el.closest('.nf-root'));
    const colours = { font, bg };
    PLAIN.forEach((name, i) => (colours[name] = getComputedStyle(this.plain[i]).color));
    STATUSES.forEach((status, i) => {
      const { color, borderTopColor, backgroundColor } = getComputedStyle(this.statuses[i]);
      colours[status] = { s: color, l: borderTopColor, f: backgroundColor };
    });
    return colours;
  }

  destroy() {
    this.scheme.removeEventListener('change', this.changed);
    this.theme.disconnect();
  }
}
