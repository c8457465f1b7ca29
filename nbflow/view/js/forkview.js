// The editor for a fork, over the whole face: the state at a past moment, in which a person can change values.

import { h, scroller, setAttr, setText } from './dom.js';
import { parsed } from './fields.js';
import { plural } from './format.js';
import { onTyped } from './typing.js';

/** One key, which is changed only if its box is checked. */
class Row {
  constructor({ key, type, json, why }, id, changed) {
    this.key = key;
    this.box = h('input', { type: 'checkbox', class: 'nf-check', disabled: json === null, onchange: () => this.turn(changed) });
    this.text = h('textarea', { class: 'nf-in nf-mono', rows: 2, spellcheck: 'false', 'aria-label': `${key}, as JSON`, hidden: true });
    this.text.value = json ?? '';
    this.error = h('p', { class: 'nf-ferr', id, hidden: true });
    this.el = h('div', { class: 'nf-fld' },
      h('label', { class: 'nf-tick' }, this.box, h('b', { class: 'nf-mono' }, key), h('span', { class: 'nf-mut' }, type),
        h('span', { class: 'nf-mut nf-el' }, why ?? json.replace(/\s+/g, ' '))),
      this.text, this.error);
  }

  turn(changed) {
    this.text.hidden = !this.box.checked;
    if (this.box.checked) this.text.focus();
    else this.refuse('');
    changed();
  }

  get chosen() {
    return this.box.checked;
  }

  /** The value of the text; for invalid JSON show the error and return undefined. */
  value() {
    try {
      const value = parsed(this.text.value);
      this.refuse('');
      return value;
    } catch (error) {
      this.refuse(error.message);
      return undefined;
    }
  }

  refuse(message) {
    this.error.hidden = !message;
    setText(this.error, message);
    setAttr(this.text, 'aria-invalid', message ? 'true' : null);
    setAttr(this.text, 'aria-describedby', message ? this.error.id : null);
  }
}

export class ForkView {
  /** `start(state)` is called with the changed keys and their values, `close()` returns to the table. */
  constructor({ id, start, close }) {
    Object.assign(this, { id, start, rows: [] });
    this.title = h('span', { class: 'nf-mut nf-el' });
    this.body = scroller('Keys to change', { class: 'nf-vbody nf-form' });
    this.button = h('button', { class: 'nf-btn nf-pri', type: 'submit' }, 'Start fork');
    this.note = h('span', { class: 'nf-mut nf-fnote', role: 'status' });
    this.el = h('form', { class: 'nf-over', 'aria-label': 'Fork', novalidate: true, hidden: true },
      h('div', { class: 'nf-sih' }, h('b', {}, 'Fork'), this.title), this.body,
      h('div', { class: 'nf-pager' }, this.button, h('button', { class: 'nf-btn', type: 'button', onclick: close }, 'Cancel'), this.note));
    this.el.addEventListener('submit', (event) => {
      event.preventDefault();
      this.submit();
    });
    this.el.addEventListener('keydown', (event) => onTyped(event, () => this.button.disabled || this.submit()));
  }

  show(where) {
    this.el.hidden = false;
    this.rows = [];
    setText(this.title, where);
    this.tell('');
    this.button.disabled = true;
    this.body.replaceChildren(h('p', { class: 'nf-mut' }, 'Looking\u2026'));
    this.body.focus({ preventScroll: true });
  }

  fill({ keys, fault }) {
    if (fault) this.refused(fault);
    this.rows = (keys ?? []).map((key, index) => new Row(key, `${this.id}${index}`, () => this.count()));
    const help = h('p', { class: 'nf-mut' }, 'The new run continues from this moment. Check the keys to change; all others stay unchanged.');
    this.body.replaceChildren(help, ...this.rows.map((row) => row.el));
    this.button.disabled = Boolean(fault);
    this.count();
  }

  count() {
    const chosen = this.rows.filter((row) => row.chosen).length;
    this.tell(chosen ? `${chosen} ${plural(chosen, 'key')} changed` : 'Nothing changed yet');
  }

  tell(text, bad = false) {
    setText(this.note, text);
    this.note.classList.toggle('nf-bad', bad);
  }

  submit() {
    const chosen = this.rows.filter((row) => row.chosen);
    const pairs = chosen.map((row) => [row.key, row.value()]);
    const wrong = chosen.find((row) => !row.error.hidden);
    if (wrong) {
      wrong.text.focus();
      return;
    }
    this.button.disabled = true;
    this.tell('Starting\u2026');
    this.start(Object.fromEntries(pairs));
  }

  forked(runId) {
    this.tell(`Started as run ${runId}`);
  }

  refused(message) {
    this.button.disabled = false;
    this.tell(message, true);
  }

  hide() {
    this.el.hidden = true;
    this.body.replaceChildren();
  }
}
