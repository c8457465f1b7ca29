// The panel that tells all about one node. Its head follows the run at once; its body comes from the kernel, and is
// redrawn section by section, so that what a person reads, has scrolled to or opened stays where it is.

import { h, setText } from './dom.js';
import { WORDS } from './format.js';
import { controlIcon } from './icons.js';
import { partOf, section, sectionOrder } from './sections.js';

export class Inspector {
  constructor({ icons, select, locate }) {
    Object.assign(this, { icons, locate, node: null, drawn: new Map(), opened: new Set() });
    this.icon = icons.make('pending');
    [this.name, this.kind, this.word] = [h('b', { class: 'nf-el' }), h('span', { class: 'nf-mut' }), h('span', { class: 'nf-word nf-s' })];
    const close = { class: 'nf-x', type: 'button', 'aria-label': 'Close', title: 'Close (Esc)', onclick: () => select(null) };
    this.head = h('div', {}, this.icon, this.name, this.kind, this.word, h('button', close, controlIcon('close')));
    this.body = h('div', { class: 'nf-ib', tabindex: '0' });
    this.el = h('aside', { class: 'nf-insp', 'aria-label': 'Node', hidden: true }, this.head, this.body);
  }

  show(id) {
    this.node = id;
    this.el.hidden = id === null;
    this.drawn.clear();
    this.opened.clear();
    this.body.replaceChildren();
    this.body.scrollTop = 0;
  }

  draw(model) {
    if (this.node === null) return;
    const node = model.node(this.node);
    this.head.className = `nf-ih is-${node.status}`;
    this.icons.set(this.icon, node.status);
    setText(this.name, this.node);
    this.name.title = this.node;
    setText(this.kind, model.kind(this.node));
    setText(this.word, WORDS[node.status]);
    const data = model.details.get(this.node);
    if (data) this.drawBody(data, model);
    else if (!model.connected) this.body.replaceChildren(h('p', { class: 'nf-mut' }, 'The kernel that knows more is gone.'));
  }

  drawBody(data, model) {
    const tools = { icons: this.icons, locate: this.locate, opened: this.opened, run: model.run };
    const order = sectionOrder(data);
    for (const [name, { element }] of this.drawn) if (!order.includes(name)) element?.remove();
    if (!this.drawn.size) this.body.replaceChildren();
    let before = null;
    for (const name of order) {
      const element = this.drawSection(name, data, tools);
      if (!element) continue;
      const place = before ? before.nextSibling : this.body.firstChild;
      if (element !== place) this.body.insertBefore(element, place);
      before = element;
    }
  }

  // A section whose part of the data is the same stays as it is, with a person's text selection and scroll in it.
  drawSection(name, data, tools) {
    const part = partOf(name, data);
    const was = this.drawn.get(name);
    if (was?.part === part) return was.element;
    was?.element?.remove();
    const element = section(name, data, tools);
    this.drawn.set(name, { part, element });
    return element;
  }
}
