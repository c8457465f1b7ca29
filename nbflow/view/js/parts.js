// Elements that several parts of the view use: the link to a cell, the cause of a failure, the bar of statuses.

import { h } from './dom.js';

/** "Cell [4], line 8" as a link if the cell can be opened, else as text; null without a label. */
export function cellLink({ label, cell_id: cell, line }, locate) {
  if (!label) return null;
  const open = cell ? locate(cell, line) : null;
  return open ? h('button', { class: 'nf-link', type: 'button', onclick: open }, label) : h('span', { class: 'nf-mut' }, label);
}

/** The cause of a failure on one line: the node and its error, which select the node, and the link to the cell. */
export function cause(error, { attend, locate }) {
  const text = error.node ? `${error.node}: ${error.text}` : error.text;
  const attributes = { class: 'nf-cause nf-el', title: text };
  const open = () => attend(error.node);
  const words = error.node ? h('button', { ...attributes, type: 'button', onclick: open }, text) : h('span', attributes, text);
  return [words, cellLink(error, locate)].filter(Boolean);
}

/** Copy a text; the promise resolves to false on failure. Without the Clipboard API, `document.execCommand` is used. */
export function copyText(text, near) {
  const byHand = () => {
    const area = near.appendChild(h('textarea', { class: 'nf-sr', 'aria-hidden': 'true' }));
    const had = document.activeElement;
    area.value = text;
    area.select();
    const copied = document.execCommand('copy');
    area.remove();
    had?.focus?.({ preventScroll: true });
    return copied;
  };
  return navigator.clipboard ? navigator.clipboard.writeText(text).then(() => true, byHand) : Promise.resolve(byHand());
}

const BAR = ['completed', 'skipped', 'running', 'retrying', 'waiting', 'failed', 'cancelled'];

/** A bar with one segment per status, in proportion to its nodes; its progress never decreases in a loop. */
export class StatusBar {
  constructor() {
    this.parts = Object.fromEntries([...BAR, 'pending'].map((status) => [status, h('i', { class: `is-${status}` })]));
    this.el = h('div', { class: 'nf-bar', role: 'progressbar', 'aria-valuemin': 0 }, Object.values(this.parts));
  }

  draw(run, total) {
    const known = BAR.reduce((sum, status) => sum + (run.counts[status] ?? 0), 0);
    for (const status of BAR) this.parts[status].style.flexGrow = run.counts[status] ?? 0;
    this.parts.pending.style.flexGrow = Math.max(0, total - known);
    const over = (run.counts.completed ?? 0) + (run.counts.skipped ?? 0);
    this.el.setAttribute('aria-valuenow', over);
    this.el.setAttribute('aria-valuemax', total);
    this.el.setAttribute('aria-label', `${over} of ${total} nodes done`);
  }
}
