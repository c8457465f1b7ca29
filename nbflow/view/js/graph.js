// The graph face: the picture, the list of all nodes beside or under it, and for large graphs the lists of what needs
// attention. Lists follow a little behind: they are read, not watched.

import { h } from './dom.js';
import { Drawing } from './drawing.js';
import { NodeList, SideLists } from './rows.js';

const LISTS = 250; // ms between two drawings of the lists

export class GraphFace {
  constructor({ icons, prefix, actions }) {
    const { select } = actions;
    Object.assign(this, { selected: null, narrow: false, timer: 0, last: null });
    this.drawing = new Drawing({ icons, prefix, onSelect: select });
    this.list = new NodeList(icons, select);
    this.side = new SideLists(icons, select);
    this.el = h('div', { class: 'nf-graph' }, this.drawing.el, this.list.el, this.side.el);
  }

  get types() {
    return [];
  }

  show(scene) {
    this.selected = this.last = null;
    this.drawing.show(scene);
  }

  draw(model, about) {
    this.last = [model, about];
    this.drawing.patch(model, about.change, about.now);
    if (about.selected !== this.selected) this.select(about.selected);
    else this.listsSoon();
  }

  select(id) {
    this.selected = id;
    this.drawing.select(id);
    this.layout(this.narrow);
    this.drawLists();
  }

  listsSoon() {
    this.timer ||= setTimeout(() => this.drawLists(), LISTS);
  }

  drawLists() {
    clearTimeout(this.timer);
    this.timer = 0;
    if (!this.last || this.el.hidden) return;
    const [model, { now, selected }] = this.last;
    this.list.draw(model, now, { selected, narrow: this.narrow });
    if (model.scene.mode === 'list' && !this.narrow) this.side.draw(model, now, selected);
  }

  tick(model, now) {
    this.drawing.tick(model, now);
    this.listsSoon();
  }

  layout(narrow) {
    const turned = narrow !== this.narrow;
    this.narrow = narrow;
    this.drawing.layout(narrow);
    if (turned) this.drawLists();
  }

  destroy() {
    clearTimeout(this.timer);
  }
}
