// The fields of a question as elements: for each kind of field a control, with its label, help and errors.
//
// Every control has an accessible name (its label) and description (help and errors).

import { h, setAttr, setText } from './dom.js';

const RADIOS = 3; // up to so many choices are radio buttons, more are a list

const input = (type, more) => h('input', { type, class: 'nf-in', ...more });
const area = (rows, field, more = {}) => {
  const box = h('textarea', { class: 'nf-in', rows, spellcheck: 'false', ...more });
  box.value = field.value ?? '';
  return box;
};
const single = (element) => ({ el: element, focus: element, raw: () => element.value });
const ticked = (label, box) => h('label', { class: 'nf-tick' }, box, h('span', {}, label));

function radios(field, id) {
  const boxes = field.options.map((option) => h('input', { type: 'radio', name: id, value: '' }));
  boxes.forEach((box, index) => { box.checked = field.value !== undefined && field.options[index].value === field.value; });
  const raw = () => {
    const at = boxes.findIndex((box) => box.checked);
    return at < 0 ? null : at;
  };
  return { el: h('div', { class: 'nf-set' }, boxes.map((box, index) => ticked(field.options[index].label, box))), focus: boxes[0], raw, set: true };
}

function select(field) {
  const empty = h('option', { value: '' }, field.required && !field.nullable ? 'Choose…' : 'None');
  const known = field.options.findIndex((option) => field.value !== undefined && option.value === field.value);
  const box = h('select', { class: 'nf-in' }, empty, field.options.map((option, index) => h('option', { value: index }, option.label)));
  box.value = known < 0 ? '' : String(known);
  return { ...single(box), raw: () => (box.value === '' ? null : Number(box.value)) };
}

function several(field) {
  const boxes = field.options.map((option) => h('input', { type: 'checkbox', class: 'nf-check' }));
  boxes.forEach((box, index) => { box.checked = field.value.includes(field.options[index].value); });
  const raw = () => boxes.flatMap((box, index) => (box.checked ? [index] : []));
  return { el: h('div', { class: 'nf-set nf-col' }, boxes.map((box, index) => ticked(field.options[index].label, box))), focus: boxes[0], raw, set: true };
}

function check(field) {
  const box = h('input', { type: 'checkbox', class: 'nf-check' });
  box.checked = field.value;
  return { el: box, focus: box, raw: () => box.checked };
}

function number(field) {
  const { min, max, step } = field;
  const box = input('number', { min, max, step });
  box.value = field.value ?? '';
  // The browser returns an empty text for an input that is not a number.
  return { ...single(box), raw: () => (box.validity.badInput ? 'no number' : box.value) };
}

function text(field) {
  if (field.long) return single(area(2, field, { maxlength: field.most }));
  const box = input(field.type, { maxlength: field.most, autocomplete: 'off', step: field.type === 'datetime-local' ? 1 : null });
  box.value = field.value ?? '';
  return single(box);
}

const CONTROLS = {
  choice: (field, id) => (field.options.length <= RADIOS ? radios(field, id) : select(field)),
  several, check, number, text,
  lines: (field) => single(area(3, field)),
  json: (field) => single(area(4, field, { class: 'nf-in nf-mono' })),
};

/** One field on the page. `name` is the id of the element that names a field without a label. */
export class Field {
  constructor(field, id, name) {
    Object.assign(this, { field, id, name, control: CONTROLS[field.kind](field, id) });
    this.error = h('p', { class: 'nf-ferr', id: `${id}e`, hidden: true });
    this.help = field.help || hint(field) ? h('p', { class: 'nf-help', id: `${id}h` }, field.help || hint(field)) : null;
    this.el = this.control.set ? this.fieldset() : field.kind === 'check' ? this.ticked() : this.labelled();
    this.describe();
  }

  raw() {
    return this.control.raw();
  }

  // Several inputs form one field through the fieldset around them.
  fieldset() {
    const { field, name, control } = this;
    const role = field.kind === 'choice' ? 'radiogroup' : 'group';
    const legend = field.label ? h('legend', {}, labelOf(field)) : null;
    return h('fieldset', { class: 'nf-fld', role, 'aria-labelledby': legend ? null : name }, legend, this.help, control.el, this.error);
  }

  ticked() {
    const { field, name, control } = this;
    if (!field.label) control.focus.setAttribute('aria-labelledby', name);
    return h('div', { class: 'nf-fld' }, ticked(field.label || 'Yes', control.el), this.help, this.error);
  }

  labelled() {
    const { field, id, name, control } = this;
    control.focus.id = id;
    if (!field.label) control.focus.setAttribute('aria-labelledby', name);
    const label = field.label ? h('label', { for: id }, labelOf(field)) : null;
    return h('div', { class: 'nf-fld' }, label, this.help, control.el, this.error);
  }

  get described() {
    return this.control.set ? this.el : this.control.focus;
  }

  describe() {
    const { described, error, help, field } = this;
    const ids = [help?.id, error.hidden ? null : error.id].filter(Boolean).join(' ');
    setAttr(described, 'aria-describedby', ids || null);
    setAttr(described, 'aria-invalid', error.hidden ? null : 'true');
    if (field.required && !field.nullable && field.kind !== 'check' && field.kind !== 'several') described.setAttribute('aria-required', 'true');
  }

  /** Show the errors of the field; without errors clear them. */
  refuse(messages) {
    this.error.hidden = !messages?.length;
    setText(this.error, (messages ?? []).join('\n'));
    this.describe();
  }

  focus() {
    this.control.focus.focus();
  }
}

const hint = (field) => ({ lines: 'One per line', json: 'As JSON' })[field.kind] ?? '';

function labelOf(field) {
  const must = field.required && !field.nullable && field.path;
  return [field.label, must ? h('span', { class: 'nf-req', 'aria-hidden': 'true' }, ' *') : null];
}

/** A group of fields; an optional group has a check box. `make` creates the element of a field. */
export class Group {
  constructor(field, id, make) {
    this.box = field.optional ? h('input', { type: 'checkbox', class: 'nf-check' }) : null;
    const inner = h('div', { class: 'nf-group' }, field.fields.map(make));
    const help = field.help ? h('p', { class: 'nf-help', id: `${id}h` }, field.help) : null;
    this.el = field.path === '' ? h('div', {}, inner) : h('fieldset', { class: 'nf-fld', 'aria-describedby': help?.id },
      h('legend', {}, this.box ? ticked(field.label, this.box) : labelOf(field)), help, inner);
    if (this.box) {
      const draw = () => { inner.hidden = !this.box.checked; };
      this.box.checked = field.value;
      this.box.addEventListener('change', draw);
      draw();
    }
  }

  raw() {
    return this.box?.checked ?? true;
  }
}
