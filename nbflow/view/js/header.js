// The header: the status and duration of the run, and the buttons to control it.

import { h, setAttr, setText } from './dom.js';
import { clock, duration, ENDED, look, UNFINISHED, WORDS } from './format.js';
import { controlIcon } from './icons.js';
import { cause } from './parts.js';

const TITLES = {
  pause: 'Pause after the running nodes (p)',
  step: 'Step: start the next node, and stay paused (.)',
  continue: 'Continue (p)',
  stop: 'Stop (s)',
  resume: 'Resume this run: completed nodes do not run again (r)',
};
const NAMES = { pause: 'Pause', continue: 'Continue', step: 'Step', stop: 'Stop', resume: 'Resume' };

/** The run's duration as text, growing while it is running; empty if it is unknown. */
export function runTime(run, now) {
  if (run.elapsed != null) return duration(run.elapsed);
  return run.started == null || ENDED.has(run.status) ? '' : clock(now - run.started);
}

/** The status as a word; "Disconnected" for a run that has not ended and whose kernel is disconnected. */
export function runWord({ run, connected }) {
  return connected || ENDED.has(run.status) || run.status === 'ready' ? WORDS[run.status] : 'Disconnected';
}

export class Header {
  constructor({ icons, actions, tabs }) {
    Object.assign(this, { icons, actions, shown: '' });
    this.icon = icons.make('pending');
    this.title = h('span', { class: 'nf-title nf-el' });
    this.id = h('span', { class: 'nf-mut nf-num nf-opt' });
    this.word = h('span', { class: 'nf-word nf-s' });
    this.time = h('span', { class: 'nf-mut nf-num' });
    this.note = h('span', { class: 'nf-note nf-mut nf-el' });
    this.cause = h('span', { class: 'nf-causes' });
    this.alert = h('button', { class: 'nf-alert', type: 'button', hidden: true, onclick: () => actions.next('waiting') });
    this.alert.append(icons.make('waiting'), h('span', { class: 'nf-num' }));
    this.showing = h('span', { class: 'nf-showing nf-num', hidden: true });
    this.controls = h('div', { class: 'nf-ctl' });
    const left = h('div', { class: 'nf-id' }, this.icon, this.title, this.id, this.word, this.time, this.note, this.alert, this.showing);
    this.el = h('div', { class: 'nf-head' }, left, this.cause, tabs, this.controls);
  }

  /** Create the buttons for the scene's controls, and the one that collapses the view. */
  show(scene) {
    setText(this.title, scene.title);
    this.title.title = scene.title;
    setText(this.id, scene.run_id ? `run ${scene.run_id.slice(0, 4)}` : '');
    const button = (name) =>
      h('button', { class: `nf-${name}`, type: 'button', 'aria-label': NAMES[name], onclick: () => this.actions.press(name) }, controlIcon(name));
    this.buttons = Object.fromEntries(scene.controls.flatMap((name) => (name === 'pause' ? ['pause', 'continue'] : [name])).map((n) => [n, button(n)]));
    const fold = h('button', { type: 'button', 'aria-label': 'Collapse', title: 'Collapse (c)', onclick: () => this.actions.collapse(true) }, controlIcon('fold'));
    this.ask = h('span', { class: 'nf-ask', hidden: true }, 'Stop this run?',
      h('button', { class: 'nf-btn nf-danger', type: 'button', onclick: () => this.actions.confirmStop(true) }, 'Stop'),
      h('button', { class: 'nf-btn', type: 'button', onclick: () => this.actions.confirmStop(false) }, 'Keep running'));
    this.controls.replaceChildren(this.ask, ...Object.values(this.buttons), fold);
  }

  /** Press a button if it is enabled. */
  click(name) {
    this.buttons?.[name]?.click();
  }

  draw(model, now, { commander, moment }) {
    this.commander = commander;
    const { run, connected } = model;
    this.el.className = `nf-head is-${look(run.status)}${ENDED.has(run.status) ? ' ended' : ''}`;
    this.icons.set(this.icon, run.status === 'paused' ? 'paused' : look(run.status));
    setText(this.word, runWord(model));
    const { refusal } = commander;
    setText(this.note, refusal ?? run.note ?? (run.lagging && connected ? 'catching up' : ''));
    this.note.title = refusal ?? run.note ?? '';
    this.note.classList.toggle('nf-bad', refusal !== null);
    this.tick(model, now);
    const waiting = run.counts.waiting ?? 0;
    this.alert.hidden = !waiting || ENDED.has(run.status);
    setText(this.alert.lastChild, `${waiting} waiting`);
    this.showing.hidden = !moment;
    setText(this.showing, moment ? `Showing ${clock(moment.clock)}` : '');
    this.drawCause(run);
    this.drawControls(model, commander);
  }

  tick({ run, connected }, now) {
    if (connected || run.elapsed != null) setText(this.time, runTime(run, now));
  }

  drawCause(run) {
    const shown = run.status === 'failed' ? JSON.stringify(run.error) : '';
    if (shown === this.shown) return;
    this.shown = shown;
    this.cause.replaceChildren(...(shown && run.error ? cause(run.error, this.actions) : []));
  }

  drawControls(model, { asking }) {
    const { run, connected } = model;
    const ended = ENDED.has(run.status);
    for (const [name, button] of Object.entries(this.buttons ?? {})) {
      const why = this.reason(name, model);
      button.hidden = asking || !fits(name, run.status);
      button.disabled = why !== null;
      setAttr(button, 'title', why === null ? TITLES[name] : `${NAMES[name]}: ${why}`);
    }
    if (this.ask) this.ask.hidden = !asking || ended || !connected;
  }

  /** The reason why a button is disabled, or null. */
  reason(name, { run, connected }) {
    if (!connected) return 'The kernel is disconnected';
    if (this.commander?.sent) return 'Sent; the kernel has not answered yet';
    if (name === 'resume') return null;
    if (ENDED.has(run.status)) return 'The run has ended';
    return name === 'step' && run.status !== 'paused' ? 'Pause the run first' : null;
  }
}

// The visible buttons: either pause or continue, and resume only for a run that did not complete.
function fits(name, status) {
  if (name === 'resume') return UNFINISHED.has(status);
  if (name === 'pause' || name === 'continue') return (name === 'continue') === (status === 'paused');
  return !UNFINISHED.has(status);
}
