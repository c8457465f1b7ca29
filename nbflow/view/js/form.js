// A node's question to a person, in the inspector: it is asked, filled in, sent, and perhaps refused.
//
// Nothing here opens, focuses or sends by itself, but for the focus that goes to the first error of what a person sent.
// What was filled in stays while the person looks at another node.

import { Field, Group } from './controls.js';
import { h, scroller, setText } from './dom.js';
import { fieldOf, gather, placed } from './fields.js';
import { clip } from './format.js';
import { onTyped } from './typing.js';

const LINES = 6; // of the context, until a person asks for all
const WIDTH = 400; // letters of such a line
const WHOLE = 100_000; // letters
const KEPT = 20; // questions whose contents are kept

let sheets = 0;

/** One question: its fields, and how its answering stands. `word` is what its button says, `note` what stands beside. */
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

  /** Show errors under the fields they are about, and go to the first. */
  refuse(errors) {
    const told = placed(errors, [...this.fields.keys()]);
    for (const [path, field] of this.fields) field.refuse(told.get(path));
    const rest = this.fields.has('') ? [] : told.get('') ?? [];
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

/** The context of a question: prose as a line, then what has several lines as a box, differences in their colours. */
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

// The same question, also where it is asked anew because its run was resumed.
const keyOf = ({ node, scope, firing, ordinal }, run) => JSON.stringify([run, node, scope, firing, ordinal]);

export class Form {
  /** `send` is given the message of a person's answer. */
  constructor({ send }) {
    Object.assign(this, { send, sheet: null, kept: new Map(), live: true });
    this.el = h('div', { class: 'nf-ask-of', hidden: true });
    this.el.addEventListener('keydown', (event) => onTyped(event, () => this.sheet?.el.requestSubmit()));
  }

  /** Show a question of a run, as far as it is filled in; null shows none. The same question again changes nothing. */
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
    const known = this.kept.get(key);
    if (known) {
      if (known.question.seq !== question.seq) known.open('Answer');
      known.question = question;
      return known;
    }
    const sheet = new Sheet(question, (one) => this.submit(one));
    this.kept.set(key, sheet);
    if (this.kept.size > KEPT) this.kept.delete(this.kept.keys().next().value);
    return sheet;
  }

  /** Without a kernel nothing can be answered; once it is back, what it may not have heard can be sent again. */
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

  /** An answer was refused: `errors` are messages by the path of a field, "" for the whole. Its form may be out of sight. */
  refused({ question, errors, message }) {
    const sheet = [...this.kept.values()].findLast((one) => one.question.seq === question);
    sheet?.refuse(errors ?? { '': message });
  }
}
