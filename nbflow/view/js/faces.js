// The faces of a run, tabs over one panel: only the one that is looked at is drawn.
//
// A face has `el`, `types` (of the kernel's answers it receives), `show(scene)` to forget everything, `receive(message)`,
// `draw(model, {now, selected, moment, change})` at most once a frame, `tick(model, now)` once a second while the run
// lives, `layout(narrow)`, and may have `find()`, which puts the cursor into its search, `wide`, true where no inspector
// stands beside it, and `destroy()`. `change` says what is new since it was last drawn.

import { h, setAttr } from './dom.js';

const TITLES = { graph: 'Graph', timeline: 'Timeline', state: 'State', log: 'Log' };
export const NAMES = Object.keys(TITLES);
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class Faces {
  /** `faces`: by name, in the tabs' order; `onShow(name)` is called when a person chooses one. */
  constructor(faces, { prefix, onShow }) {
    Object.assign(this, { faces, onShow, shown: 'graph', stale: true });
    const id = `${prefix}face`;
    const tab = (name, i) =>
      h('button', { role: 'tab', type: 'button', id: `${prefix}tab-${name}`, 'aria-controls': id, 'data-t': TITLES[name],
        title: `${TITLES[name]} (${i + 1})`, onclick: () => onShow(name) }, TITLES[name]);
    this.buttons = Object.fromEntries(NAMES.map((name, i) => [name, tab(name, i)]));
    this.tabs = h('div', { class: 'nf-tabs', role: 'tablist', 'aria-label': 'Faces of the run', onkeydown: (event) => this.key(event) },
      Object.values(this.buttons));
    this.el = h('div', { class: 'nf-face', role: 'tabpanel', id }, NAMES.map((name) => faces[name].el));
    this.show('graph');
  }

  get face() {
    return this.faces[this.shown];
  }

  show(name) {
    this.shown = name;
    this.stale = true;
    for (const other of NAMES) {
      this.faces[other].el.hidden = other !== name;
      setAttr(this.buttons[other], 'aria-selected', String(other === name));
      setAttr(this.buttons[other], 'tabindex', other === name ? '0' : '-1');
    }
    setAttr(this.el, 'aria-labelledby', this.buttons[name].id);
  }

  scene(scene) {
    for (const face of Object.values(this.faces)) face.show(scene);
    this.stale = true;
  }

  /** Hand an answer to the face it is for; returns whether there is one. */
  receive(message) {
    const face = Object.values(this.faces).find(({ types }) => types.includes(message?.type));
    face?.receive(message);
    return face !== undefined;
  }

  // A face that comes into sight again has missed what happened meanwhile.
  draw(model, about) {
    if (this.stale) about.change.all = true;
    this.stale = false;
    this.face.draw(model, about);
  }

  tick(model, now) {
    this.face.tick(model, now);
  }

  layout(narrow) {
    this.face.layout(narrow);
  }

  destroy() {
    for (const face of Object.values(this.faces)) face.destroy?.();
  }

  // As tabs do: arrows go to the next one and show it.
  key(event) {
    const step = STEPS[event.key];
    if (!step) return;
    const next = NAMES[(NAMES.indexOf(this.shown) + step + NAMES.length) % NAMES.length];
    this.onShow(next);
    this.buttons[next].focus();
    event.preventDefault();
    event.stopPropagation();
  }
}
