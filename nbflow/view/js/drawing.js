// The drawing of the graph, updated node by node and edge by edge.
//
// A run never changes the layout. An update writes only the elements of what changed; they are found once per scene.

import { Card } from './card.js';
import { Cell, Ring, Stage } from './cell.js';
import { h, setAttr, setText, s, still } from './dom.js';
import { edgeOf, stepFrom } from './edgewalk.js';
import { endName, takenWord } from './format.js';
import { neighbour } from './geometry.js';
import { newest } from './model.js';
import { Pan } from './pan.js';
import { boxOf, importScene, middleOf, viewBox } from './scene.js';

const FLASH = 150; // ms for which an edge is highlighted after it was taken
const FLASH_MOST = 60; // edges; if more are taken at once, none is highlighted
const OVERVIEW = 0.05; // the least scale of the narrow overview, which has no text that must be readable
const HELP = {
  cards: 'Arrows go from node to node, with Shift along the edges. Enter opens, Escape closes.',
  cells: 'Arrows go from node to node. Enter opens a node, with its edges, Escape closes.',
};

export class Drawing {
  constructor({ icons, prefix, onSelect }) {
    Object.assign(this, { icons, prefix, onSelect, narrow: false, selected: null, flashing: new Set() });
    this.el = h('div', { class: 'nf-canvas' });
    this.pan = new Pan(this.el);
    this.forget();
    this.el.addEventListener('click', (event) => this.click(event));
    this.el.addEventListener('keydown', (event) => this.key(event));
    this.el.addEventListener('focusout', (event) => this.leave(event));
    this.el.addEventListener('focusin', (event) => this.arrive(event));
  }

  forget() {
    this.items = new Map();
    this.edges = new Map();
    this.walk = null; // the edge with the keyboard focus, and the side from which it was reached
    this.captions = new Map();
    this.rings = null; // for cells only: the frames of the selected and of the focused cell
  }

  show(scene) {
    this.forget();
    let svg;
    try {
      svg = importScene(scene.svg, this.prefix);
    } catch (error) {
      this.el.replaceChildren(h('p', { class: 'nf-mut' }, `No picture of this graph: ${error.message}`));
      return;
    }
    this.svg = svg;
    svg.classList.add('nf-svg', `m-${scene.mode}`);
    setAttr(svg, 'role', 'group');
    setAttr(svg, 'aria-label', `Workflow graph, ${scene.order.length} nodes`);
    const cells = scene.mode === 'list';
    setAttr(svg, 'aria-description', cells ? HELP.cells : HELP.cards);
    this.indexNodes(scene);
    this.indexEdges();
    this.rings = cells ? { chosen: new Ring('nf-ring'), focus: new Ring('nf-ring-at') } : null;
    if (cells) svg.append(this.rings.chosen.el, this.rings.focus.el);
    this.stop = this.items.keys().next().value;
    this.moveStop(this.stop);
    this.pan.show(svg, viewBox(svg));
  }

  indexNodes(scene) {
    const stages = new Map();
    const marks = s('g', { class: 'nf-marks' });
    const stageOf = (cell) => {
      const group = cell.closest('.nf-stage') ?? this.svg;
      return stages.get(group) ?? stages.set(group, new Stage(group)).get(group);
    };
    for (const element of this.svg.querySelectorAll('[data-n]')) {
      const id = element.getAttribute('data-n');
      const shape = element.localName === 'rect' ? element : element.querySelector('.nf-shape');
      if (!shape || this.items.has(id)) continue;
      const about = { id, kind: scene.kinds[id] ?? 'tool', icons: this.icons, box: boxOf(shape, this.svg) };
      const item = shape === element ? new Cell(element, { ...about, marks, stage: stageOf(element) }) : new Card(element, about);
      this.items.set(id, item);
    }
    this.svg.append(marks);
  }

  indexEdges() {
    const labels = new Map();
    for (const text of this.svg.querySelectorAll('.nf-elabel')) labels.set(text.getAttribute('data-e'), text);
    for (const group of this.svg.querySelectorAll('.nf-edge')) {
      const key = group.getAttribute('data-e');
      const [from, to] = this.endsOf(key);
      const path = group.querySelector('path');
      if (path) group.append(s('path', { class: 'nf-ehit', d: path.getAttribute('d') }));
      setAttr(group, 'tabindex', '-1');
      setAttr(group, 'role', 'button');
      const look = group.classList.contains('error') ? 'nf-edge error' : 'nf-edge';
      this.edges.set(key, { group, path, look, label: labels.get(key), from, to, count: 0 });
      if (!this.items.get(from)?.cap) continue;
      this.captions.set(from, [...(this.captions.get(from) ?? []), key]);
    }
  }

  // A key is "from>to" or "from>to#k", and ids may contain ">": the source is the shortest prefix that is a node.
  endsOf(key) {
    for (let at = key.indexOf('>'); at >= 0; at = key.indexOf('>', at + 1)) {
      if (!this.items.has(key.slice(0, at))) continue;
      const to = key.slice(at + 1);
      return [key.slice(0, at), this.items.has(to) ? to : to.replace(/#\d+$/, '')];
    }
    return [null, null];
  }

  /** Draw the nodes and edges in `change`, or everything if it says `all`. */
  patch(model, change, now) {
    const nodes = change.all ? this.items.keys() : change.nodes;
    const stages = new Set();
    for (const id of nodes) stages.add(this.items.get(id)?.draw(model.node(id), now, model.breaks.has(id)));
    for (const stage of stages) stage?.draw();
    const keys = change.all ? this.edges.keys() : change.edges;
    const deciders = new Set();
    for (const key of keys) {
      const edge = this.edges.get(key);
      if (!edge) continue;
      this.drawEdge(edge, model.edge(key), !change.all);
      if (this.captions.has(edge.from)) deciders.add(edge.from);
    }
    for (const id of deciders) this.drawCaption(id, model);
    this.follow(model);
  }

  drawEdge(drawn, edge, live) {
    const flash = live && edge.count > drawn.count && this.flashing.size < FLASH_MOST && !still();
    drawn.count = edge.count;
    drawn.state = edge.state === 'live' ? 'taken' : edge.state;
    setAttr(drawn.group, 'class', `${drawn.look} ${flash || this.flashing.has(drawn) ? 'live' : drawn.state}`);
    if (flash) this.flash(drawn);
    if (drawn.label && edge.label != null) setText(drawn.label, edge.label);
    setAttr(drawn.group, 'aria-label', `edge from ${drawn.from} to ${endName(drawn.to)}, ${takenWord(edge).toLowerCase()}`);
  }

  flash(drawn) {
    this.flashing.add(drawn);
    setTimeout(() => {
      this.flashing.delete(drawn);
      setAttr(drawn.group, 'class', `${drawn.look} ${drawn.state}`);
    }, FLASH);
  }

  // If several edges of a node have a caption, that of the edge whose condition was true is shown.
  drawCaption(id, model) {
    const captions = this.captions.get(id).map((key) => model.edge(key).caption).filter(Boolean);
    this.items.get(id).drawCaption(captions.find((caption) => caption.result === 'yes') ?? captions[0] ?? null);
  }

  /** Update the durations of active nodes, once a second. */
  tick(model, now) {
    for (const id of model.live) this.items.get(id)?.tick(model.node(id), now);
  }

  /** In a panned drawing show the selected node, else the one started last, until a person pans. */
  follow(model) {
    if (this.pan.pans && !this.selected && !this.pan.held) this.pan.reveal(this.items.get(newest(model))?.box);
  }

  layout(narrow) {
    if (narrow !== this.narrow) {
      this.narrow = narrow;
      for (const item of this.items.values()) item.setOverview(narrow);
    }
    setAttr(this.el, 'aria-hidden', narrow ? 'true' : null);
    this.moveStop(this.stop);
    this.pan.zooms = !narrow;
    if (narrow) this.pan.zoomed = null;
    this.pan.layout(narrow ? OVERVIEW : undefined);
    this.pan.reveal(this.items.get(this.selected)?.box);
  }

  select(id) {
    this.items.get(this.selected)?.setSelected(false);
    this.selected = id;
    const item = this.items.get(id);
    item?.setSelected(true);
    this.rings?.chosen.draw(item);
    if (id === null) this.pan.held = false;
    if (item) this.moveStop(id);
  }

  arrive(event) {
    this.pan.reveal(this.placeAt(event));
    if (event.target.matches(':focus-visible')) this.rings?.focus.draw(this.items.get(this.idAt(event)));
  }

  leave(event) {
    this.items.get(this.idAt(event))?.left();
    this.rings?.focus.draw(null);
  }

  /** The transform that shifts the group of edges within the drawing. */
  shift() {
    const rect = s('rect', { x: 0, y: 0 });
    this.svg.querySelector('.nf-edges').append(rect);
    const { x, y } = boxOf(rect, this.svg);
    rect.remove();
    return `translate(${x} ${y})`;
  }

  idAt(event) {
    return event.target.closest?.('[data-n]')?.getAttribute('data-n');
  }

  click(event) {
    const id = this.idAt(event);
    if (id === undefined) return;
    this.onSelect(id === this.selected ? null : id);
    if (this.rings) this.goTo(id); // a card receives the focus from the click
  }

  /** The position in the drawing of an event's target: the box of a node, or the middle of an edge. */
  placeAt(event) {
    const id = this.idAt(event);
    if (id !== undefined) return this.items.get(id)?.box;
    const spot = middleOf(this.edges.get(this.edgeAt(event))?.path)?.matrixTransform(this.svg.getScreenCTM().inverse());
    const origin = viewBox(this.svg);
    return spot && { x: spot.x - origin.x, y: spot.y - origin.y, width: 0, height: 0 };
  }

  edgeAt(event) {
    return event.target.closest?.('.nf-edge')?.getAttribute('data-e');
  }

  key(event) {
    const id = this.idAt(event);
    const edge = this.edgeAt(event);
    if (id === undefined ? !this.keyAtEdge(event, edge) : !this.keyAtNode(event, id)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  keyAtNode({ key, shiftKey }, id) {
    if (key === 'Enter' || key === ' ') this.onSelect(id);
    else if (shiftKey) return this.goToEdge(edgeOf(this.edges, id, key));
    else return this.goTo(neighbour(new Map([...this.items].map(([name, item]) => [name, item.box])), id, key));
    return true;
  }

  // For an edge that was clicked, the keyboard continues as if it came from the edge's source.
  keyAtEdge(event, edge) {
    const at = this.walk?.key === edge ? this.walk : { key: edge, side: 'from' };
    const next = stepFrom(this.edges, at, event.key);
    if (next?.key !== undefined) return this.goToEdge({ ...at, ...next });
    return this.goTo(next?.node ?? null);
  }

  /** Move the focus from an edge back to the node from which it was reached, if an edge has the focus. */
  leaveEdge() {
    const edge = this.edges.get(this.edgeAt({ target: document.activeElement }));
    if (edge) this.goTo(edge[this.walk?.side ?? 'from']);
  }

  goToEdge(walk) {
    if (walk === null) return false;
    this.walk = walk;
    this.edges.get(walk.key).group.focus({ preventScroll: true });
    return true;
  }

  goTo(id) {
    if (!this.items.has(id)) return false;
    this.walk = null;
    this.moveStop(id);
    this.focus();
    return true;
  }

  /** Focus the graph's tab stop, or the view if the graph has none. */
  focus() {
    const stop = this.narrow ? null : this.items.get(this.stop)?.group;
    (stop ?? this.el.closest('.nf-root'))?.focus({ preventScroll: true });
  }

  // The graph has one tab stop, which arrows move. When narrow it is an image, and the list below it has the nodes.
  moveStop(id) {
    this.items.get(this.stop)?.setStop(false);
    this.stop = id;
    this.items.get(id)?.setStop(!this.narrow);
  }
}
