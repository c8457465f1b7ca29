// The collapsed view: one row with the run's status and a thumbnail of the graph.

import { h, s, setAttr, setText } from './dom.js';
import { ENDED, facts, look, UNFINISHED } from './format.js';
import { runTime, runWord } from './header.js';
import { controlIcon } from './icons.js';
import { cause, StatusBar } from './parts.js';
import { viewBox } from './scene.js';

export class Compact {
  constructor({ icons, actions }) {
    Object.assign(this, { icons, actions, shapes: new Map() });
    this.icon = icons.make('pending');
    [this.title, this.word, this.id] = [h('b', { class: 'nf-title nf-el' }), h('span', { class: 'nf-word nf-s' }), h('span', { class: 'nf-mut nf-num nf-opt' })];
    [this.cause, this.facts, this.thumb] = [h('span', { class: 'nf-causes' }), h('span', { class: 'nf-facts nf-num' }), h('span', { class: 'nf-thumb' })];
    this.bar = new StatusBar();
    const open = { class: 'nf-openup', type: 'button', 'aria-label': 'Open', title: 'Open (c)', onclick: () => actions.collapse(false) };
    this.open = h('button', open, controlIcon('open'));
    this.resume = h('button', { class: 'nf-btn', type: 'button', hidden: true, onclick: () => this.resumeRun() }, 'Resume');
    this.el = h('div', { hidden: true }, this.icon, this.title, this.id, this.word, this.cause, this.facts, this.resume, this.thumb, this.open);
    this.thumb.addEventListener('click', () => actions.collapse(false));
  }

  show(scene, graph) {
    setText(this.title, scene.title);
    setText(this.id, scene.run_id ? `run ${scene.run_id.slice(0, 4)}` : '');
    this.shapes.clear();
    this.thumb.replaceChildren(scene.mode === 'list' || !graph.items.size ? this.bar.el : this.picture(graph));
  }

  // The thumbnail has a rectangle for each card and thin lines for edges: enough to recognise the run.
  picture(graph) {
    const { width, height } = viewBox(graph.svg);
    const boxes = [...graph.items].map(([id, { box }]) => {
      const shape = s('rect', { x: box.x, y: box.y, width: box.width, height: box.height, rx: 4 });
      this.shapes.set(id, shape);
      return shape;
    });
    const lines = [...graph.edges.values()].map(({ group }) => group.querySelector('path')).filter(Boolean);
    const shift = graph.edges.size ? graph.shift() : null;
    const copies = s('g', { transform: shift }, lines.map((path) => s('path', { d: path.getAttribute('d') })));
    return s('svg', { viewBox: `0 0 ${width} ${height}`, width: 120, height: 40, 'aria-hidden': 'true' }, copies, boxes);
  }

  // A resumed run is shown in full.
  resumeRun() {
    this.actions.collapse(false);
    this.actions.press('resume');
  }

  draw(model, now) {
    const { run } = model;
    this.resume.hidden = !model.connected || !model.scene.run_id || !UNFINISHED.has(run.status);
    this.el.className = `nf-min is-${look(run.status)}`;
    this.icons.set(this.icon, run.status === 'paused' ? 'paused' : look(run.status));
    setText(this.word, runWord(model));
    this.cause.replaceChildren(...this.reason(run));
    const known = ENDED.has(run.status) ? facts(run, model.scene.order.length) : [runTime(run, now)];
    this.facts.replaceChildren(...known.filter(Boolean).map((fact) => h('span', {}, fact)));
    this.bar.draw(run, model.scene.order.length);
    for (const [id, shape] of this.shapes) setAttr(shape, 'class', `is-${model.node(id).status}`);
  }

  reason(run) {
    if (run.status === 'failed' && run.error) return cause(run.error, this.actions);
    return run.note ? [h('span', { class: 'nf-el' }, run.note)] : [];
  }
}
