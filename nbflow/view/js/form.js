// The form for a node's question to a person, in the inspector: it is shown, filled in and sent, and may be refused.
//
// The form never opens, takes the focus or sends without a person's action; after a refused answer it focuses the first
// error. Contents are retained while the person inspects another node.

import { Field, Group } from './controls.js';
import { h, scroller, setText } from './dom.js';
import { fieldOf, gather, placed } from './fields.js';
import { clip } from './format.js';
import { onTyped } from './typing.js';

const LINES = 6; // of the context, until a person opens all of it
const WIDTH = 400; // letters of such a line
const WHOLE = 100_000; // letters of the opened context
const RETAINED = 20; // questions whose contents are retained

let sheets = 0;

/** One question: its fields and the state of the answer. `word` is the label of the button, `note` the text beside. */
export class Sheet {
  constructor(question, submit, { word = 'Answer', note = 'Waits until you answer' } = {}) {
    Object.assign(this, { question, word });
    this.id = `nfq${Date.now().toString(36)}${(sheets += 1)}-`;
    this.fields = new Map();
    this.groups = new Map();
    this.button = h('button', { class: 'nf-btn nf-pri', type: 'submit', 'aria-keyshortcuts': 'Control+Enter', title: 'Ctrl+Enter' }, word);
    this.note = h('span', { class: 'nf-mut nf-fnote' }, note);
    this.fault = h('p', { class: 'nf-ferr', role: 'alert', hidden: true });
    this.root = fieldOf(question);
    const title = h('h2', { class: 'nf-q', id: `${this.id}q` }, question.question);
    this.el = h('form', { class: 'nf-form', novalidate: true, 'aria-labelledby': title.id },
      title, context(question.details), this.made(this.root), this.fault, h('div', { class: 'nf-send' }, this.button, this.note));
    this.el.addEventListener('submit', (event) => {
      event.preventDefault();
      if (!this.button.disabled) submit(this);
    });
  }

  made(field) {
    const id = `${this.id}${this.fields.size + this.groups.size}`;
    if (field.kind !== 'group') {
      this.fields.set(field.path, new Field(field, id, `${this.id}q`));
      return this.fields.get(field.path).el;
    }
    const group = new Group(field, id, (part) => this.made(part));
    this.groups.set(field.path, group);
    return group.el;
  }

  gathered() {
    return gather(this.root, (field) => (field.kind === 'group' ? this.groups : this.fields).get(field.path).raw());
  }

  /** Show errors below their fields, and focus the first. */
  refuse(errors) {
    const byField = placed(errors, [...this.fields.keys()]);
    for (const [path, field] of this.fields) field.refuse(byField.get(path));
    const rest = this.fields.has('') ? [] : byField.get('') ?? [];
    this.fault.hidden = !rest.length;
    setText(this.fault, rest.join('\n'));
    this.open(this.word);
    const first = [...this.fields.values()].find((field) => !field.error.hidden && !field.el.closest('[hidden]'));
    (first ?? (rest.length ? this.button : null))?.focus();
  }

  open(word, why = null) {
    setText(this.button, word);
    this.button.disabled = word !== this.word || why !== null;
    this.button.title = why ?? 'Ctrl+Enter';
  }
}

/** The context of a question: text on one line as a paragraph, several lines as a box, with diffs in colour. */
function context(text) {
  if (!text) return null;
  const bounded = String(text).slice(0, WHOLE);
  const [, prose, rest] = /^([^\n]*)(?:\n\n?([^]*))?$/.exec(bounded);
  const plain = prose.length <= WIDTH ? prose : '';
  return [plain && h('p', { class: 'nf-ctx' }, plain), plain === bounded ? null : folded((plain ? rest : bounded) ?? '')];
}

function folded(text) {
  if (text.trim() === '') return null;
  const differs = /^\+/m.test(text) && /^-/m.test(text);
  const { text: head, cut } = clip(text, LINES);
  const short = head.split('\n').map((line) => line.slice(0, WIDTH)).join('\n');
  const box = scroller('Details', { class: 'nf-box' }, lines(short, differs));
  if (!cut && short === head) return box;
  const button = h('button', { class: 'nf-link', type: 'button', 'aria-expanded': 'false' }, 'Show the whole text');
  button.addEventListener('click', () => {
    const open = box.classList.toggle('open');
    box.replaceChildren(...lines(open ? text : short, differs));
    button.setAttribute('aria-expanded', String(open));
    setText(button, open ? 'Show less' : 'Show the whole text');
  });
  return [box, button];
}

function lines(text, differs) {
  if (!differs) return [text];
  const kind = (line) => ({ '+': 'nf-add', '-': 'nf-del' })[line[0]] ?? null;
  return text.split('\n').map((line) => h('div', { class: kind(line) }, line || ' '));
}

// True for the same question, even if it was asked again because its run was resumed.
const keyOf = ({ node, scope, firing, ordinal }, run) => JSON.stringify([run, node, scope, firing, ordinal]);

export class Form {
  /** `send(message)` sends a person's answer to the kernel. */
  constructor({ send }) {
    Object.assign(this, { send, sheet: null, sheets: new Map(), live: true });
    this.el = h('div', { class: 'nf-ask-of', hidden: true });
    this.el.addEventListener('keydown', (event) => onTyped(event, () => this.sheet?.el.requestSubmit()));
  }

  /** Show a question with its retained contents, or none for null. Showing the same question again has no effect. */
  show(question, run) {
    const sheet = question && this.sheetOf(question, run);
    this.el.hidden = !sheet;
    if (sheet === this.sheet) return;
    this.sheet = sheet;
    this.el.replaceChildren(...(sheet ? [sheet.el] : []));
    this.connected(this.live);
  }

  sheetOf(question, run) {
    const key = keyOf(question, run);
    const known = this.sheets.get(key);
    if (known) {
      if (known.question.seq !== question.seq) known.open('Answer');
      known.question = question;
      return known;
    }
    const sheet = new Sheet(question, (one) => this.submit(one));
    this.sheets.set(key, sheet);
    if (this.sheets.size > RETAINED) this.sheets.delete(this.sheets.keys().next().value);
    return sheet;
  }

  /** Disable the form while the kernel is disconnected; afterwards an answer that it may have missed can be resent. */
  connected(live) {
    this.live = live;
    if (this.sheet && (!live || this.sheet.button.title !== 'Ctrl+Enter')) this.sheet.open('Answer', live ? null : 'The kernel is not connected');
  }

  submit(sheet) {
    const { value, errors } = sheet.gathered();
    const { node, seq } = sheet.question;
    sheet.refuse(errors);
    if (Object.keys(errors).length) return;
    sheet.open('Sent');
    this.send({ type: 'command', name: 'answer', node, question: seq, value });
  }

  /** Show the errors of a refused answer, by path of the field ("": the whole answer); its form may be hidden now. */
  refused({ question, errors, message }) {
    const sheet = [...this.sheets.values()].findLast((one) => one.question.seq === question);
    sheet?.refuse(errors ?? { '': message });
  }
}
