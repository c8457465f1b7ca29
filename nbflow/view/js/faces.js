// The faces of a run (graph, timeline, state, log) as tabs over one panel; only the visible face is drawn.
//
// A face has `el`; `types`, the kernel's messages it receives; `show(scene)`, which resets it; `receive(message)`;
// `draw(model, {now, selected, moment, change})`, called at most once a frame, with the changes since its last call;
// `tick(model, now)`, called once a second while the run is running; and `layout(narrow)`. It may have `find()`, which
// focuses its search; `wide`, true if it needs the room of the inspector; and `destroy()`.

import { h, setAttr } from './dom.js';

const TITLES = { graph: 'Graph', timeline: 'Timeline', state: 'State', log: 'Log' };
export const NAMES = Object.keys(TITLES);
const STEPS = { ArrowRight: 1, ArrowLeft: -1 };

export class Faces {
  /** `faces`: the faces by name, in the order of the tabs; `onShow(name)` is called when a person selects one. */
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

  /** Pass a message to the face that receives its type; return false if there is none. */
  receive(message) {
    const face = Object.values(this.faces).find(({ types }) => types.includes(message?.type));
    face?.receive(message);
    return face !== undefined;
  }

  // A face that was hidden has missed all changes, so everything is drawn.
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

  // The ARIA pattern for tabs with automatic activation: an arrow focuses and shows the next tab.
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
