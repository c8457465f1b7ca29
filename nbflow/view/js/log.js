// The log face: events and printed text, in rows. The kernel stores and filters them; the page has the visible rows.

import { h, setAttr, setText } from './dom.js';
import { clockTenths, counted, ENDED, plural } from './format.js';
import { controlIcon } from './icons.js';
import { asText, LogPages } from './logpages.js';
import { LogRow, WholeRow } from './logrow.js';
import { copyText } from './parts.js';
import { RowWindow } from './window.js';

const ROW = 20; // px
const NEWS = 500; // ms between two requests for new rows
const LOST = 3000; // ms after which an unanswered request is sent again
const TYPING = 150; // ms from the last letter of a search to the request
const COPIED = 5000; // the most rows to copy, more than any request for display has
const LEVELS = { all: 'All', output: 'Printed', errors: 'Errors' };

export class LogFace {
  constructor({ icons, actions, ask }) {
    Object.assign(this, { icons, actions, ask, pages: new LogPages(), level: 'all', text: '', timer: 0, asked: 0, follows: true });
    this.rows = new RowWindow({
      rowHeight: ROW, make: () => this.make(), write: (element, index) => this.write(element, index),
      attributes: { class: 'nf-window nf-lrows', role: 'log', 'aria-live': 'off', 'aria-label': 'Log' },
    });
    this.drawn = new WeakMap();
    this.whole = new WholeRow(() => this.rows.el.focus({ preventScroll: true }));
    this.empty = h('p', { class: 'nf-mut nf-none', hidden: true });
    this.el = h('div', { class: 'nf-log' }, this.bar(), h('div', { class: 'nf-lbody' }, this.rows.el, this.empty, this.whole.el));
    this.rows.el.addEventListener('scroll', () => this.scrolled(), { passive: true });
    this.rows.el.addEventListener('keydown', (event) => this.key(event));
    this.forget();
  }

  bar() {
    const toggle = (level) => h('button', { class: 'nf-tog', type: 'button', 'aria-pressed': String(level === this.level), onclick: () => this.setLevel(level) }, LEVELS[level]);
    this.search = h('input', { class: 'nf-find', type: 'search', placeholder: 'Filter text', 'aria-label': 'Filter text', title: 'Filter text (/)',
      oninput: () => this.later(TYPING), onkeydown: (event) => this.inSearch(event) });
    this.levels = Object.fromEntries(Object.keys(LEVELS).map((level) => [level, toggle(level)]));
    this.chipName = h('span', { class: 'nf-el' });
    this.chip = h('button', { class: 'nf-chip', type: 'button', hidden: true, title: 'Show all nodes', onclick: () => this.actions.select(null) },
      this.chipName, controlIcon('close'));
    this.counts = h('span', { class: 'nf-ltold nf-mut nf-num' });
    this.copyButton = h('button', { class: 'nf-tog', type: 'button', title: 'Copy what is selected, else all rows shown', onclick: () => this.copy() }, 'Copy');
    this.followButton = h('button', { class: 'nf-tog', type: 'button', title: 'Scroll to the end and stay there', onclick: () => this.follow() }, 'Follow');
    return h('div', { class: 'nf-lbar' }, this.search, h('span', { class: 'nf-seg', role: 'group', 'aria-label': 'Rows' }, Object.values(this.levels)),
      this.chip, this.counts, this.copyButton, this.followButton);
  }

  get types() {
    return ['log', 'line'];
  }

  /** The log is filtered by the selected node, so it is shown without the inspector. */
  get wide() {
    return true;
  }

  show() {
    this.forget();
  }

  forget() {
    this.pages.forget();
    Object.assign(this, { about: null, last: 0, news: true, current: -1, follows: true });
    this.whole.close();
  }

  /** Focus the search. */
  find() {
    this.search.focus();
  }

  draw(model, { selected, moment, change }) {
    this.about = { model, selected, moment };
    if (change && !change.empty) this.news = true;
    this.look();
  }

  tick() {
    this.news = true;
    this.look();
  }

  layout() {
    if (!this.el.hidden) this.fill();
  }

  // Draw the rows on the page, and request the missing ones.
  look() {
    if (!this.about || this.el.hidden) return;
    const { selected, moment } = this.about;
    const filter = { node: selected, level: this.level, text: this.text, at: moment?.seq ?? null };
    if (this.pages.use(filter)) this.turn(filter);
    this.fill();
    this.more();
  }

  turn({ node }) {
    Object.assign(this, { last: 0, current: -1, follows: true });
    this.chip.hidden = node === null;
    setText(this.chipName, node ?? '');
    setAttr(this.chip, 'aria-label', `Only ${node}: show all nodes`);
    for (const [level, button] of Object.entries(this.levels)) setAttr(button, 'aria-pressed', String(level === this.level));
  }

  more() {
    const now = performance.now();
    const due = now - this.last >= NEWS;
    if (now - this.asked >= LOST) this.pages.asked = null;
    const question = this.pages.question(this.rows.range, { atEnd: this.follows, news: this.news && due });
    if (question) {
      if (this.news && due) this.last = now;
      this.asked = now;
      this.news = this.news && !due;
      this.ask(question);
    } else if (this.news && !this.pages.asked) this.later(NEWS);
  }

  later(ms) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.text = this.search.value;
      this.look();
    }, ms);
  }

  receive(message) {
    if (message.type === 'line') this.whole.open(message);
    else if (message.count === COPIED) this.copied(message.rows);
    else this.pages.receive(message);
  }

  fill() {
    const { pages, rows } = this;
    rows.draw(pages.count);
    if (this.follows && !rows.atEnd) {
      rows.toEnd();
      rows.draw(pages.count);
    }
    setAttr(this.followButton, 'aria-pressed', String(this.follows));
    this.drawCounts();
  }

  drawCounts() {
    const { pages } = this;
    const { model, selected } = this.about ?? {};
    const left = pages.dropped ? `, the first ${counted(pages.dropped)} left out` : '';
    const looking = pages.of && !pages.whole ? `, ${Math.floor((100 * pages.seen) / pages.of)} % searched` : '';
    setText(this.counts, `${counted(pages.total)} ${plural(pages.total, 'line')}${left}${looking}`);
    this.counts.title = pages.dropped ? `Filter to see the first ${counted(pages.dropped)} lines` : '';
    this.empty.hidden = pages.total > 0 || !pages.whole;
    const none = this.text || this.level !== 'all' || selected !== null;
    setText(this.empty, none ? 'Nothing of this kind.' : ENDED.has(model?.run.status) ? 'The log is empty.' : 'Nothing yet.');
  }

  scrolled() {
    this.follows = this.rows.atEnd;
    setAttr(this.followButton, 'aria-pressed', String(this.follows));
    this.more();
  }

  follow() {
    this.follows = true;
    this.fill();
    this.more();
  }

  setLevel(level) {
    this.level = level;
    this.look();
  }

  make() {
    const row = new LogRow({ icons: this.icons, locate: this.actions.locate, jump: (node) => this.jump(node), open: (of) => this.open(of) });
    this.drawn.set(row.el, row);
    return row.el;
  }

  write(element, index) {
    this.drawn.get(element).write(this.pages.row(index), index === this.current);
  }

  jump(node) {
    this.actions.select(node.split(/[/[]/)[0]);
    this.actions.show('graph');
  }

  open({ seq, part }) {
    this.ask({ type: 'line', seq, part });
  }

  inSearch(event) {
    if (event.key !== 'Escape' || !this.search.value) return;
    this.search.value = '';
    this.later(0);
    event.stopPropagation();
  }

  // Arrows move between rows; Enter selects the row's node, space opens its whole text.
  key(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    const row = this.pages.row(this.current);
    if (step) this.walk(step);
    else if (event.key === 'Enter' && row?.node) this.jump(row.node);
    else if (event.key === ' ' && row) this.open(row);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  walk(step) {
    const { range, count } = this.rows;
    const from = this.current < 0 ? (step > 0 ? range.first - 1 : range.last) : this.current;
    this.current = Math.max(0, Math.min(count - 1, from + step));
    this.follows = this.current === count - 1;
    this.rows.reveal(this.current);
    this.rows.draw();
    this.more();
  }

  copy() {
    const chosen = window.getSelection();
    const inside = !chosen.isCollapsed && this.rows.el.contains(chosen.anchorNode);
    if (inside) this.done(copyText(chosen.toString(), this.el));
    else this.ask({ type: 'log', ...this.pages.filter, first: -1, count: COPIED });
  }

  copied(rows) {
    this.done(copyText(rows.map((row) => asText(row, clockTenths)).join('\n'), this.el), rows.length);
  }

  done(copied, rows) {
    copied.then((well) => {
      const of = rows < this.pages.count ? `last ${counted(rows)}` : 'Copied';
      setText(this.copyButton, well ? of : 'No clipboard');
      setTimeout(() => setText(this.copyButton, 'Copy'), 2000);
    });
  }

  destroy() {
    clearTimeout(this.timer);
  }
}
