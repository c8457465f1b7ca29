// The panel beside the state's table: the changes of the selected step, for each key that it wrote.

import { h, scroller, setText } from './dom.js';
import { clock } from './format.js';
import { controlIcon } from './icons.js';
import { MARKS, stepName } from './statedata.js';
import { markIcon } from './stategrid.js';

const SIGNS = { '+': 'nf-add', '-': 'nf-del', ' ': 'nf-mut' };
const MINUS = '\u2212';

export class StepPanel {
  /** `open(key)` gets a key's index, `fork()` forks at the moment, `close()` closes a panel that covers the table. */
  constructor({ open, fork, close }) {
    Object.assign(this, { open, drawn: null });
    [this.number, this.name, this.time] = [h('b', { class: 'nf-num' }), h('span', { class: 'nf-mut nf-el' }), h('span', { class: 'nf-mut nf-num nf-word' })];
    const x = h('button', { class: 'nf-x nf-sx', type: 'button', 'aria-label': 'Close', onclick: close }, controlIcon('close'));
    this.body = scroller('What the step wrote', { class: 'nf-sib' });
    this.fork = h('div', { class: 'nf-sfork', hidden: true }, h('button', { class: 'nf-btn', type: 'button', onclick: fork }, 'Fork from here'));
    const legend = h('div', { class: 'nf-legend' }, MARKS.map((word, mark) => h('span', {}, markIcon(mark), word)));
    this.el = h('section', { class: 'nf-sstep', 'aria-label': 'Step' },
      h('div', { class: 'nf-sih' }, this.number, this.name, this.time, x), this.body, this.fork, legend);
  }

  draw(data, current, { started, past }) {
    this.fork.hidden = !past;
    const step = data.steps[current];
    setText(this.number, step ? `Step ${current + 1}` : 'Start');
    setText(this.name, step ? stepName(step) : 'nothing written yet');
    this.name.title = this.name.textContent;
    setText(this.time, step && started != null ? clock(step.time - started) : '');
    this.drawChanges(current < 0 ? null : data.step);
  }

  // Until the kernel's answer arrives, the previous step stays visible.
  drawChanges(step) {
    const drawn = JSON.stringify(step);
    if (drawn === this.drawn) return;
    this.drawn = drawn;
    this.body.replaceChildren(...(step?.changes ?? []).map((change) => this.change(change)), ...more(step?.more));
    this.body.scrollTop = 0;
  }

  change({ key, name, note, lines }) {
    const title = h('button', { class: 'nf-el nf-key', type: 'button', title: `Show ${name}`, onclick: () => this.open(key) }, name);
    const line = ([sign, text]) => h('div', { class: SIGNS[sign] }, `${sign === '-' ? MINUS : sign} `, h('bdi', {}, text));
    return h('section', { class: 'nf-sec' }, h('h2', {}, title, h('span', {}, note)), scroller(name, { class: 'nf-box' }, lines.map(line)));
  }
}

const more = (count) => (count ? [h('p', { class: 'nf-mut' }, `${count} more keys`)] : []);
