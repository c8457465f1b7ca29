// The icons, in a square of 16 units. Status icons are symbols, defined once per view, so that a change of status only
// changes an href. Their ids have a prefix for each view, since two views in one notebook must not share ids.

import { s } from './dom.js';

const line = (d, width, more = {}) => ['path', { d, fill: 'none', stroke: 'currentColor', 'stroke-width': width, ...more }];
const solid = (d) => ['path', { d, fill: 'currentColor' }];
const ring = (r, width, more = {}) => [
  'circle', { cx: 8, cy: 8, r, fill: 'none', stroke: 'currentColor', 'stroke-width': width, ...more },
];

const STATUS = {
  pending: [ring(5.25, 1.5)],
  running: [
    ring(5.75, 2, { opacity: 0.28 }),
    line('M8 2.25A5.75 5.75 0 0 1 13.75 8', 2),
    ['circle', { cx: 8, cy: 8, r: 2.25, fill: 'currentColor' }],
  ],
  waiting: [
    ['circle', { cx: 8, cy: 4.75, r: 3, fill: 'currentColor' }],
    solid('M2.25 14.25c0-3.3 2.4-5.25 5.75-5.25s5.75 1.95 5.75 5.25z'),
  ],
  retrying: [line('M13.2 9.2A5.3 5.3 0 1 1 11.9 4.4', 1.9), line('M12.7 1.4v3.9H8.8', 1.9)],
  completed: [line('M2.75 8.5l3.6 3.6L13.25 4.4', 2.1)],
  failed: [
    solid('M5.2 1.25h5.6l3.95 3.95v5.6l-3.95 3.95H5.2L1.25 10.8V5.2z'),
    line('M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2', 1.8),
  ],
  cancelled: [ring(6, 1.5), ['rect', { x: 5.5, y: 5.5, width: 5, height: 5, fill: 'currentColor' }]],
  skipped: [line('M2.5 4l4 4-4 4M7.5 4l4 4-4 4M13.5 4v8', 1.5)],
  paused: [solid('M4.25 3h2.75v10H4.25zM9 3h2.75v10H9z')],
};

const CONTROLS = {
  pause: [solid('M4.5 3.5h2.5v9H4.5zM9 3.5h2.5v9H9z')],
  continue: [solid('M5 3.25v9.5l7.5-4.75z')],
  step: [solid('M3.75 3.25v9.5L10 8zM10.75 3.25h2v9.5h-2z')],
  resume: [line('M4.2 5.2A5 5 0 1 1 3.2 9.4', 1.7), line('M4.1 2v3.6h3.6', 1.7)],
  stop: [['rect', { x: 4, y: 4, width: 8, height: 8, rx: 0.5, fill: 'currentColor' }]],
  fold: [line('M4.5 9.75L8 6.25l3.5 3.5', 1.5)],
  open: [line('M4.5 6.25L8 9.75l3.5-3.5', 1.5)],
  back: [line('M9.75 4.5L6.25 8l3.5 3.5', 1.5)],
  forth: [line('M6.25 4.5L9.75 8l-3.5 3.5', 1.5)],
  close: [line('M4 4l8 8M12 4l-8 8', 1.5)],
  find: [line('M7 2.75a4.25 4.25 0 1 1 0 8.5a4.25 4.25 0 0 1 0-8.5zM10.25 10.25l3.5 3.5', 1.5)],
  out: [line('M4 8h8', 1.5)],
  in: [line('M4 8h8M8 4v8', 1.5)],
  fit: [line('M2.75 6V2.75H6M10 2.75h3.25V6M13.25 10v3.25H10M6 13.25H2.75V10', 1.5)],
  span: [line('M2.5 4v8M13.5 4v8M4.5 8h7M6.5 6l-2 2 2 2M9.5 6l2 2-2 2', 1.5)],
};

const drawn = (parts) => parts.map(([tag, attributes]) => s(tag, attributes));

/** Create the icon of a control as an <svg>. */
export const controlIcon = (name) => s('svg', { viewBox: '0 0 16 16', 'aria-hidden': 'true' }, drawn(CONTROLS[name]));

export class StatusIcons {
  constructor(prefix) {
    this.prefix = prefix;
  }

  /** Create the hidden <svg> with the symbols. */
  symbols() {
    const symbol = ([name, parts]) => s('symbol', { id: `${this.prefix}i-${name}`, viewBox: '0 0 16 16' }, drawn(parts));
    const symbols = Object.entries(STATUS).map(symbol);
    const [failed] = symbols.filter((one) => one.id.endsWith('failed'));
    failed.lastChild.style.stroke = 'var(--nf-bg)'; // descendant selectors of the style sheet do not match inside a <use>
    return s('svg', { class: 'nf-symbols', 'aria-hidden': 'true' }, symbols);
  }

  href(status) {
    return `#${this.prefix}i-${status in STATUS ? status : 'pending'}`;
  }

  /** Create an icon for HTML; `set` changes its status. */
  make(status) {
    const icon = s('svg', { class: 'nf-ic', 'aria-hidden': 'true' }, s('use'));
    this.set(icon, status);
    return icon;
  }

  set(icon, status) {
    icon.firstChild.setAttribute('href', this.href(status));
    icon.classList.toggle('nf-spin', status === 'running');
  }
}
