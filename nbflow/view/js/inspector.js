// The panel that tells all about one node. Its head follows the run at once; its body comes from the kernel, and is
// redrawn section by section, so that what a person reads, has scrolled to or opened stays where it is.

import { h, scroller, setText } from './dom.js';
import { EdgeList } from './edgelist.js';
import { Form } from './form.js';
import { WORDS } from './format.js';
import { controlIcon } from './icons.js';
import { partOf, section, sectionOrder } from './sections.js';
import { Steering } from './steering.js';

export class Inspector {
  constructor({ icons, prefix, ask, select, locate, command }) {
    Object.assign(this, { icons, ask, select, locate, answered: null, node: null, drawn: new Map(), opened: new Set() });
    this.icon = icons.make('pending');
    [this.name, this.kind, this.word] = [h('b', { class: 'nf-el' }), h('span', { class: 'nf-mut' }), h('span', { class: 'nf-word nf-s' })];
    const close = { class: 'nf-x', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', onclick: () => select(null) };
    this.head = h('div', {}, this.icon, this.name, this.kind, this.word, h('button', close, controlIcon('close')));
    this.form = new Form({ send: ({ name, type, ...rest }) => command(name, rest) });
    this.steering = new Steering({ prefix, command });
    this.told = h('div', {});
    this.edges = new EdgeList({ ask, select });
    this.body = scroller('About the node', { class: 'nf-ib' }, this.form.el, this.steering.el, this.told, this.edges.el);
    this.el = h('section', { class: 'nf-insp', 'aria-label': 'Node', hidden: true }, this.head, this.body);
  }

  show(id) {
    this.node = id;
    this.el.hidden = id === null;
    this.drawn.clear();
    this.opened.clear();
    this.told.replaceChildren();
    this.edges.clear();
    this.form.show(null);
    this.steering.show(id);
    this.body.scrollTop = 0;
  }

  /** Draw what is known of the node after event `at`, null for now; in the past nothing can be done to it. */
  draw(model, at) {
    if (this.node === null) return;
    const past = at !== null;
    const node = model.node(this.node);
    this.head.className = `nf-ih is-${node.status}`;
    this.icons.set(this.icon, node.status);
    setText(this.name, this.node);
    this.name.title = this.node;
    setText(this.kind, model.kind(this.node));
    setText(this.word, WORDS[node.status]);
    const data = model.details.get(this.node);
    this.steering.draw(model, past);
    this.form.show((!past && data?.questions?.[0]) || null, model.scene.run_id);
    this.form.connected(model.connected);
    if (!past) this.askOn(data);
    if (data) this.drawBody(data, model, at);
    else if (!model.connected) this.told.replaceChildren(h('p', { class: 'nf-mut' }, 'The kernel that knows more is gone.'));
  }

  // A long run is folded a stretch at a time: only whoever asks on is told a node's share of it.
  askOn(data) {
    if (!data?.timing?.more || data === this.answered) return;
    this.answered = data;
    this.ask({ type: 'inspect', node: this.node });
  }

  drawBody(data, model, at) {
    const { icons, locate, opened, select } = this;
    const tools = { icons, locate, opened, select, run: model.run };
    const order = sectionOrder(data);
    for (const [name, { element }] of this.drawn) if (!order.includes(name)) element?.remove();
    if (!this.drawn.size) this.told.replaceChildren();
    let before = null;
    for (const name of order) {
      const element = this.drawSection(name, data, tools);
      if (!element) continue;
      const place = before ? before.nextSibling : this.told.firstChild;
      if (element !== place) this.told.insertBefore(element, place);
      before = element;
    }
    this.edges.draw(data, model, at);
  }

  // A section whose part of the data is the same stays as it is, with a person's text selection and scroll in it.
  drawSection(name, data, tools) {
    const part = partOf(name, data);
    const was = this.drawn.get(name);
    if (was?.part === part) return was.element;
    const element = section(name, data, tools);
    this.drawn.set(name, { part, element });
    if (was?.element && element) replace(was.element, element);
    else was?.element?.remove();
    return element;
  }

  /** The kernel refused what a person did to a node. */
  refused(message) {
    if (message.name === 'answer') this.form.refused(message);
    else if (message.name === 'skip' && message.node === this.node) this.steering.refuse(message.message);
    else if (message.name === 'retry') this.steering.stands(null);
  }
}

// A list that a person has scrolled, or is in, stays where it is when its rows are drawn anew.
function replace(old, element) {
  const [was, list] = [old, element].map((one) => one.querySelector('.nf-inside'));
  const at = was?.scrollTop;
  const held = was && was === document.activeElement;
  old.replaceWith(element);
  if (!was || !list) return;
  list.scrollTop = at;
  if (held) list.focus({ preventScroll: true });
}
