// One value over the whole face: a table in pages, an image, a tree that can be unfolded, or text.

import { h, scroller } from './dom.js';
import { controlIcon } from './icons.js';

const PAGE = 50; // rows
const OPEN = 2; // levels of a tree that are open at first

const figure = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, '\u00a0');

function table(value, turn) {
  const { columns, rows, index, from, shape } = value;
  const cells = (row) => row.map((text, column) => {
    const tag = index && column === 0 ? 'th' : 'td';
    return h(tag, { class: text === null ? 'nf-mut' : null, scope: tag === 'th' ? 'row' : null, title: text }, h('bdi', {}, text ?? '\u2013'));
  });
  const head = h('thead', {}, h('tr', {}, columns.map((name) => (name === '' ? h('td') : h('th', { scope: 'col', title: name }, h('bdi', {}, name))))));
  const whole = h('table', {}, head, h('tbody', {}, rows.map((row) => h('tr', {}, cells(row)))));
  return [scroller('Table', { class: 'nf-table' }, whole),
    pager(from, rows.length, shape, columns.length - index, turn)];
}

function pager(from, count, [rows, columns], shown, turn) {
  const button = (label, to, off) => h('button', { class: 'nf-btn', type: 'button', disabled: off, onclick: () => turn(Math.max(0, to)) }, label);
  const range = count ? `Rows ${figure(from + 1)} to ${figure(from + count)} of ${figure(rows)}` : `No rows here, of ${figure(rows)}`;
  const left = columns > shown ? `, first ${shown} of ${figure(columns)} columns` : '';
  return h('div', { class: 'nf-pager' }, h('span', { class: 'nf-mut nf-num', role: 'status' }, range + left),
    rows > PAGE ? [button('Previous', from - PAGE, from === 0), button('Next', from + PAGE, from + count >= rows)] : null);
}

function image({ mime, data, width, height }, name) {
  if (!['image/png', 'image/jpeg'].includes(mime)) return null;
  const alt = `${name}, an image of ${width} by ${height} pixels`;
  return [scroller('Image', { class: 'nf-picture' }, h('img', { alt, src: `data:${mime};base64,${data}` })),
    h('div', { class: 'nf-pager' }, h('span', { class: 'nf-mut nf-num' }, `${figure(width)} \u00d7 ${figure(height)} pixels`))];
}

function branch([label, text, children, more], deep = 0) {
  const name = label ? h('span', { class: 'nf-label' }, h('bdi', {}, label), ': ') : null;
  if (!children) return h('div', { class: 'nf-leaf' }, name, h('bdi', {}, text));
  const rest = more ? h('div', { class: 'nf-leaf nf-mut' }, `${figure(more)} more`) : null;
  return h('details', { open: deep < OPEN }, h('summary', {}, name, h('span', { class: 'nf-mut' }, text)), children.map((child) => branch(child, deep + 1)), rest);
}

const box = (text) => scroller('Text', { class: 'nf-box open' }, text);

const KINDS = {
  table: (value, { turn }) => table(value, turn),
  image: (value, { name }) => image(value, name),
  tree: (value) => scroller('Tree', { class: 'nf-tree' }, branch(value.root)),
  text: (value) => box(value.text),
  none: () => h('p', { class: 'nf-mut' }, 'It is not set at this moment.'),
};

export class ValueView {
  /** `turn(from)` requests another page, `close()` returns to the table of the state. */
  constructor({ turn, close }) {
    Object.assign(this, { turn, name: '' });
    this.back = h('button', { class: 'nf-btn', type: 'button', onclick: close, title: 'Back (Esc)' }, 'Back');
    const x = h('button', { class: 'nf-x', type: 'button', 'aria-label': 'Close', onclick: close }, controlIcon('close'));
    this.title = h('b', { class: 'nf-mono nf-el' });
    this.about = h('span', { class: 'nf-mut nf-el' });
    this.body = h('div', { class: 'nf-vbody' });
    this.el = h('section', { class: 'nf-over', 'aria-label': 'Value', hidden: true },
      h('div', { class: 'nf-sih' }, this.back, this.title, this.about, x), this.body);
  }

  show(name) {
    this.name = name;
    this.el.hidden = false;
    this.title.textContent = this.title.title = name;
    this.about.textContent = '';
    this.body.replaceChildren(h('p', { class: 'nf-mut' }, 'Looking\u2026'));
    this.back.focus({ preventScroll: true });
  }

  hide() {
    this.el.hidden = true;
    this.body.replaceChildren();
  }

  fill(value) {
    this.about.textContent = [value.about?.type, value.about?.size].filter(Boolean).join(', ');
    const shown = value.fault ? box(value.fault) : KINDS[value.kind]?.(value, { turn: this.turn, name: this.name });
    this.body.replaceChildren(...[shown].flat().filter(Boolean));
  }
}
