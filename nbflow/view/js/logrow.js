// One drawn row of the log, and the box that shows the whole text of a long row.

import { h, scroller, setAttr, setText } from './dom.js';
import { clockTenths, counted } from './format.js';
import { controlIcon } from './icons.js';
import { cellLink } from './parts.js';

export class LogRow {
  constructor({ icons, locate, jump, open }) {
    Object.assign(this, { icons, locate, row: null });
    [this.time, this.text] = [h('span', { class: 'nf-lt' }), h('span', { class: 'nf-lm' })];
    this.icon = icons.make('pending');
    this.node = h('button', { class: 'nf-ln nf-el', type: 'button', tabindex: '-1', onclick: () => jump(this.row.node) });
    this.more = h('button', { class: 'nf-link', type: 'button', tabindex: '-1', hidden: true, onclick: () => open(this.row) });
    this.link = h('span', { class: 'nf-lk' });
    this.el = h('div', { class: 'nf-lr' }, this.time, this.icon, this.node, this.text, this.more, this.link);
  }

  write(row, current) {
    const { kind = 'none', status = null } = row ?? {};
    setAttr(this.el, 'class', `nf-lr ${kind}${status ? ` is-${status}` : ''}${current ? ' cur' : ''}`);
    if (row === this.row) return;
    this.row = row;
    setText(this.time, row ? clockTenths(row.clock) : '');
    setText(this.node, row?.node ?? '');
    this.node.classList.toggle('nf-no', !row?.node);
    setAttr(this.node, 'title', row?.node ? `${row.node}: show in the graph` : null);
    setText(this.text, row?.text ?? '');
    this.icon.classList.toggle('nf-no', status === null);
    if (status !== null) this.icons.set(this.icon, status);
    this.icon.classList.remove('nf-spin'); // an event of the past does not spin
    this.more.hidden = !row?.cut;
    setText(this.more, row?.cut ? `${counted(row.cut)} more letters` : '');
    const link = row?.place ? cellLink(row.place, this.locate) : null;
    if (link) this.link.replaceChildren(link);
    else if (this.link.firstChild) this.link.replaceChildren();
  }
}

export class WholeRow {
  constructor(onClose) {
    this.onClose = onClose;
    this.text = scroller('Its text', { class: 'nf-box open' });
    const close = { class: 'nf-x', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', onclick: () => this.leave() };
    this.note = h('span', { class: 'nf-mut' });
    this.el = h('div', { class: 'nf-whole', role: 'dialog', 'aria-label': 'The whole row', hidden: true, onkeydown: (event) => this.key(event) },
      h('div', { class: 'nf-whead' }, this.note, h('button', close, controlIcon('close'))), this.text);
  }

  open({ text, cut }) {
    setText(this.note, cut ? `The first ${counted(text.length)} letters; ${counted(cut)} more are in the run's events` : `${counted(text.length)} letters`);
    setText(this.text, text);
    this.el.hidden = false;
    this.text.focus({ preventScroll: true });
  }

  close() {
    this.el.hidden = true;
  }

  leave() {
    this.close();
    this.onClose();
  }

  key(event) {
    if (event.key !== 'Escape') return;
    this.leave();
    event.stopPropagation();
  }
}
