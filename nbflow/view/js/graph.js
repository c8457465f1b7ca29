// The graph face: the drawing with search and zoom, the list of all nodes, and for large graphs the lists of nodes that
// need attention. Lists are updated less often than the drawing.

import { h } from './dom.js';
import { Drawing } from './drawing.js';
import { Find } from './find.js';
import { NodeList, SideLists } from './rows.js';
import { Why } from './why.js';
import { Zoom } from './zoom.js';

const LISTS = 60; // ms between two updates of the lists

export class GraphFace {
  constructor({ icons, prefix, actions, ask }) {
    const { select } = actions;
    Object.assign(this, { selected: null, narrow: false, timer: 0, last: null });
    this.drawing = new Drawing({ icons, prefix, onSelect: select });
    this.list = new NodeList(icons, select);
    this.side = new SideLists(icons, select);
    this.why = new Why({ drawing: this.drawing, ask });
    this.seek = new Find({ select, left: () => this.drawing.focus() });
    this.zoom = new Zoom(this.drawing.pan, { find: () => this.find() });
    this.el = h('div', { class: 'nf-graph', onkeydown: (event) => this.key(event) },
      this.drawing.el, this.list.el, this.side.el, this.zoom.el, this.seek.el, this.why.el);
  }

  get types() {
    return ['why'];
  }

  receive(message) {
    this.why.receive(message);
  }

  /** Focus the search for nodes. */
  find() {
    this.seek.open();
  }

  key(event) {
    const typing = event.target.closest('input');
    if (typing || !(event.key === 'Escape' ? this.closeWhy() : this.zoom.key(event))) return;
    event.preventDefault();
    event.stopPropagation();
  }

  closeWhy() {
    const open = this.why.close();
    if (open) this.drawing.leaveEdge();
    return open;
  }

  show(scene) {
    this.selected = this.last = null;
    this.drawing.show(scene);
    this.why.close();
    this.seek.show(scene.order);
  }

  draw(model, about) {
    this.last = [model, about];
    this.drawing.patch(model, about.change, about.now);
    this.why.draw(model, about);
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
