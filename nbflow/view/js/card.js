// One drawn node of the graph: a card or a chip. An update writes classes, texts, one href and widths of bars; it does
// not change the layout. The last drawn values are stored, so that unchanged parts are not written again.

import { badge, secondLine, spoken } from './format.js';
import { setAttr, setText, s } from './dom.js';

const PER_LETTER = 6.6; // px: the width of a wide letter at 11 px; only a text that may exceed its room is measured
const NARROW_ICON = 24;

const number = (element, name) => Number(element.getAttribute(name)) || 0;

export class Card {
  constructor(group, { id, kind, icons, box }) {
    Object.assign(this, { group, id, kind, icons, box, status: null, line: null, captionText: '', selected: false });
    const part = (name) => group.querySelector(`.nf-${name}`);
    for (const name of ['shape', 'name', 'meta', 'badge', 'ptrack', 'pfill', 'pfail', 'cap']) this[name] = part(name);
    this.y = number(this.shape, 'y');
    this.tall = number(this.shape, 'height') >= 30;
    this.base = `nf-node k-${kind}${group.classList.contains('chip') ? ' chip' : ''}`;
    this.nameY = this.name && number(this.name, 'y');
    this.splitLine();
    this.divide();
    this.placeIcon(part('ic'));
    group.append(s('circle', { class: 'nf-brk', cx: number(this.shape, 'x'), cy: this.y, r: 4.5 }));
  }

  splitLine() {
    if (!this.meta) return;
    this.bad = s('tspan', { class: 'nf-bad' });
    this.text = document.createTextNode('');
    this.meta.replaceChildren(this.text, this.bad);
  }

  // Separate the texts by spaces: a screen reader, or a copied selection, would join them into one word.
  divide() {
    for (const text of this.group.querySelectorAll('text')) text.before(' ');
  }

  // Replace the scene's icon, a drawing of one status, by a reference to a symbol that a new status only redirects.
  placeIcon(drawn) {
    const size = this.tall ? 14 : 12;
    const pad = this.tall ? (this.kind === 'ask' ? 16 : 10) : 5;
    const x = number(this.shape, 'x') + pad;
    const y = this.y + (number(this.shape, 'height') - size) / 2;
    this.icon = s('use', { class: 'nf-ic' });
    this.place = s('g', {}, this.icon);
    this.iconBox = { x, y, size };
    this.setIcon(this.iconBox);
    if (drawn) drawn.replaceWith(this.place);
    else this.group.append(this.place);
  }

  // The icon is centred on the origin of its group, since it is rotated about that point.
  setIcon({ x, y, size }) {
    setAttr(this.place, 'transform', `translate(${x + size / 2} ${y + size / 2})`);
    for (const name of ['x', 'y']) setAttr(this.icon, name, -size / 2);
    for (const name of ['width', 'height']) setAttr(this.icon, name, size);
  }

  /** Show a large centred icon, for the overview without text, or with `false` the normal one. */
  setOverview(on) {
    const [x, width, height] = ['x', 'width', 'height'].map((name) => number(this.shape, name));
    const size = Math.min(NARROW_ICON, height);
    this.setIcon(on ? { x: x + (width - size) / 2, y: this.y + (height - size) / 2, size } : this.iconBox);
  }

  draw(node, now, breaks = false) {
    this.breaks = breaks;
    this.drawStatus(node);
    this.drawBar(node);
    if (this.badge) setText(this.badge, badge(node));
    this.drawLine(node, now);
    this.call(node, now);
  }

  /**
   * Update the times of an active node, once a second. While it has the focus, its accessible name is not changed: a
   * screen reader would read it again each second.
   */
  tick(node, now) {
    this.drawLine(node, now);
    this.latest = [node, now];
    if (document.activeElement !== this.group) this.call(node, now);
  }

  /** Update the accessible name after the node has lost the focus. */
  left() {
    this.call(...this.latest);
  }

  call(node, now) {
    this.latest = [node, now];
    const about = { drawn: this.name?.textContent, caption: this.captionText };
    setAttr(this.group, 'aria-label', spoken(this.id, this.kind, node, now, about) + (this.breaks ? ', breakpoint' : ''));
  }

  drawStatus(node) {
    const bar = node.items ? node.items.total > 0 : node.progress != null;
    const look = `${this.base} is-${node.status}${bar ? ' has-p' : ''}${this.selected ? ' sel' : ''}${this.breaks ? ' brk' : ''}`;
    setAttr(this.group, 'class', look);
    if (node.status === this.status) return;
    this.status = node.status;
    this.icon.setAttribute('href', this.icons.href(node.status));
    this.icon.classList.toggle('nf-spin', node.status === 'running');
  }

  drawBar(node) {
    if (!this.pfill || (node.progress == null && !node.items)) return;
    const full = number(this.ptrack, 'width');
    const total = node.items?.total || 1;
    const failed = (node.items?.failed ?? 0) / total;
    const done = node.items ? node.items.done / total - failed : node.progress;
    const width = full * Math.min(1, Math.max(0, done));
    setAttr(this.pfill, 'width', width);
    if (!this.pfail) return;
    setAttr(this.pfail, 'x', number(this.ptrack, 'x') + width);
    setAttr(this.pfail, 'width', failed ? Math.max(2.5, full * failed) : 0);
  }

  drawLine(node, now) {
    if (!this.meta) return;
    const { text, bad } = secondLine(node, now);
    const line = bad ? `${text}${text ? ' · ' : ''}\n${bad}` : text;
    if (line === this.line) return;
    const was = this.line;
    this.line = line;
    this.text.data = line.split('\n')[0];
    this.bad.textContent = bad;
    if (this.tall && (was === null || !line !== !was)) setAttr(this.name, 'y', line ? this.nameY : this.y + 22);
    this.squeeze(line.length);
  }

  // The layout reserved room for the longest expected line, but the page's font may be wider than estimated.
  squeeze(letters) {
    const pad = { ask: 14, subgraph: 9 }[this.kind] ?? 6;
    const room = number(this.shape, 'x') + number(this.shape, 'width') - pad - number(this.meta, 'x');
    const over = letters * PER_LETTER > room && this.meta.getComputedTextLength() > room;
    setAttr(this.meta, 'textLength', over ? room : null);
    setAttr(this.meta, 'lengthAdjust', over ? 'spacingAndGlyphs' : null);
  }

  /** Make the node the graph's tab stop, or no longer. */
  setStop(on) {
    setAttr(this.group, 'tabindex', on ? '0' : '-1');
  }

  setSelected(on) {
    this.selected = on;
    this.group.classList.toggle('sel', on);
    setAttr(this.group, 'aria-pressed', String(on));
  }

  /** Draw a condition with the values that it read, "failed (0) > 0 → no", on two lines if the card has room. */
  drawCaption(caption) {
    const texts = this.cap ? [...this.cap.querySelectorAll('.nf-captext')] : [];
    if (!texts.length) return;
    const parts = caption ? caption.parts.map(([text, role]) => [text, role]) : [];
    const answer = caption ? [[texts.length > 1 ? '→ ' : ' → '], [caption.result, 'v']] : [];
    const rows = texts.length > 1 ? [parts, answer] : [[...parts, ...answer]];
    texts.forEach((element, i) => {
      const spans = (rows[i] ?? []).map(([text, role]) => s('tspan', { class: role === 'v' ? 'v' : null }, text));
      element.replaceChildren(...spans);
    });
    this.captionText = texts.map((element) => element.textContent).join(' ').trim();
    this.call(...this.latest);
  }
}
