// The sections of the inspector. Each is a function from a node's details to elements, or to null if there is nothing
// to show, so that no empty section is drawn.

import { h, scroller } from './dom.js';
import { clip, clock, duration } from './format.js';
import { inside } from './inside.js';
import { cellLink } from './parts.js';

const PREVIEW = 6; // lines
const NAMED = 20;
const SHORT = 44; // letters of "key = value" that fit on one line

const seconds = (ms) => (ms == null ? null : duration(ms / 1000));

/** Rows of name and value, without those that have no value. */
function pairs(rows) {
  const given = rows.filter(([, value]) => value != null && value !== '' && value !== 0);
  return given.length ? h('dl', { class: 'nf-kv' }, given.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)])) : null;
}

/** A box of text; if `full` is longer, a click opens it. `opened`: the Set of opened boxes. */
function box(name, shown, full, opened, label = 'Show all') {
  const text = scroller(name, { class: 'nf-box' });
  if (full === shown) {
    text.textContent = shown;
    return text;
  }
  const button = h('button', { class: 'nf-link', type: 'button' });
  const draw = () => {
    const open = opened.has(name);
    text.textContent = open ? full : shown;
    text.classList.toggle('open', open);
    button.textContent = open ? 'Show less' : label;
    button.setAttribute('aria-expanded', String(open));
  };
  const toggle = () => {
    if (!opened.delete(name)) opened.add(name);
    draw();
  };
  button.addEventListener('click', toggle);
  text.addEventListener('click', () => window.getSelection().isCollapsed && toggle());
  text.classList.add('more');
  draw();
  return [text, button];
}

const onOneLine = (value) =>
  !value.size && value.full === value.preview && !value.preview.includes('\n') && value.key.length + value.preview.length <= SHORT;

function values(name, list, { opened }) {
  const short = list.filter(onOneLine);
  const width = Math.max(0, ...short.map((value) => value.key.length));
  const named = (value) => (value.key ? `${value.key.padEnd(width)} = ${value.preview}` : value.preview);
  const lines = short.map(named).join('\n');
  const long = list.filter((value) => !onOneLine(value)).map((value) => [
    h('div', { class: 'nf-vh' }, h('span', { class: 'nf-mono nf-el' }, value.key), h('span', { class: 'nf-mut nf-el' }, value.type),
      h('span', { class: 'nf-mut nf-num' }, value.size)),
    box(`${name} ${value.key}`, clip(value.preview, PREVIEW).text, value.full, opened),
  ]);
  return lines || long.length ? [lines ? h('div', { class: 'nf-box' }, lines) : null, long] : null;
}

function codeLines({ code, hit, line }) {
  if (!code?.length) return null;
  const indent = Math.min(...code.filter(([, text]) => text.trim()).map(([, text]) => text.search(/\S/)));
  const row = ([number, text]) =>
    h('div', { class: number === (hit ?? line) ? 'hit' : null }, h('span', { class: 'nf-gutter' }, String(number)), text.slice(indent));
  return h('div', { class: 'nf-box nf-code' }, code.map(row));
}

function error(data, { opened, locate }) {
  const { error: e } = data;
  if (!e) return null;
  const message = e.message ? `${e.type}: ${e.message}` : e.type;
  const head = clip(message, PREVIEW);
  const whole = head.cut ? box('message', head.text, message, opened, 'Show the whole message') : h('div', { class: 'nf-err' }, message);
  const link = cellLink(e, locate);
  const last = e.traceback ? box('traceback', '', e.traceback, opened, 'Show traceback') : null;
  return [whole, link && h('div', { class: 'nf-at' }, link), codeLines(e), last];
}

function attempts(data, { icons }) {
  if (data.attempts.length < 2) return null;
  return data.attempts.map(({ n, status, ms, note }) =>
    h('div', { class: `nf-try is-${status}` }, icons.make(status), h('span', {}, `try ${n}`),
      h('span', { class: `nf-el ${status === 'failed' ? 'nf-s' : 'nf-mut'}`, title: note }, note ?? ''),
      h('span', { class: 'nf-mut' }, seconds(ms) ?? '')));
}

function items(data) {
  if (!data.items) return null;
  const { done, total, failed } = data.items;
  const [well, left] = [done - failed, total - done];
  const bar = h('div', { class: 'nf-items' });
  for (const [status, count] of [['completed', well], ['failed', failed], ['pending', left]]) {
    const part = h('i', { class: `is-${status}` });
    part.style.flexGrow = Math.max(0, count);
    part.hidden = count <= 0;
    bar.append(part);
  }
  return [bar, pairs([['Done', String(well)], ['Failed', failed && String(failed)], ['Left', left && String(left)]])];
}

function waits(data, { select }) {
  const names = data.waits_for ?? [];
  const one = (name, i) => [i ? ', ' : '', h('button', { class: 'nf-link', type: 'button', onclick: () => select(name) }, name)];
  const rest = names.length > NAMED ? ', and others' : '';
  return names.length ? h('div', { class: 'nf-waits' }, names.slice(0, NAMED).map(one), rest) : null;
}

// Each condition with the values it read and its result, then the nodes that this led to.
function next(data) {
  const rows = (data.conditions ?? []).map(({ text, to, values: read, result }) =>
    h('div', { class: 'nf-cond' }, h('span', { class: 'nf-mono' }, text), h('b', {}, result),
      h('span', { class: 'nf-mut nf-mono' }, [to && `→ ${to}`, readable(read)].filter(Boolean).join(', '))));
  return data.next || rows.length ? [rows, data.next ? h('div', {}, `Went to ${data.next}`) : null] : null;
}

const readable = (read) => Object.entries(read ?? {}).map(([name, value]) => `${name} = ${value}`).join(', ');

function printed(data, { opened }) {
  if (!data.printed) return null;
  return box('printed', clip(data.printed, PREVIEW, { tail: true }).text, data.printed.replace(/\n$/, ''), opened);
}

function printedNote(data) {
  const { cut, lines } = clip(data.printed, PREVIEW, { tail: true });
  return cut ? `last ${PREVIEW} of ${lines}${data.printed_dropped ? '+' : ''}` : '';
}

// Figures that the tool showed or left open. Only PNG is accepted.
function pictures(data) {
  const list = (data.pictures ?? []).filter(({ mime }) => mime === 'image/png');
  return list.length ? list.map(({ data: bytes, width, height }, i) => h('img', { class: 'nf-drawn', width, height,
    alt: `Picture ${i + 1} of ${list.length}, ${width} by ${height} pixels`, src: `data:image/png;base64,${bytes}` })) : null;
}

const picturesNote = (data) => (data.pictures_of > (data.pictures?.length ?? 0) ? `last ${data.pictures.length} of ${data.pictures_of}` : '');

function timing(data, { run }) {
  const { started, ms, total_ms: total, share } = data.timing ?? {};
  const took = [seconds(ms), total && total !== ms ? `${seconds(total)} in all` : null].filter(Boolean).join(', ');
  const begun = started != null && run.started != null ? clock(started - run.started) : null;
  return pairs([['Started', begun], ['Took', took], ['Runs', data.visits > 1 ? `${data.visits}` : null],
    ['Share', share >= 0.005 ? `${Math.round(share * 100)} % of the critical path` : null]]);
}

const about = (data) => pairs([['Tool', data.tool && h('span', { class: 'nf-mono' }, data.tool)], ['Does', data.doc]]);

// For each section its title, its body, a note beside the title, and the fields that it depends on.
const SECTIONS = {
  waits: ['Waits for', waits, null, 'waits_for'],
  error: [(d) => (d.status === 'failed' ? 'Error' : `Error in try ${lastFailed(d)}`), error, null, 'error attempts status'],
  attempts: ['Attempts', attempts, (d) => (d.of > 1 ? `${d.attempts.length} of ${d.of}` : ''), 'attempts of'],
  items: ['Items', items, (d) => `${d.items.done} of ${d.items.total}`, 'items'],
  inside: [(d) => (d.kind === 'map' ? 'Item by item' : 'Inside'), inside, null, 'inside kind node'],
  next: ['Next step', next, null, 'next conditions'],
  output: ['Output', (d, tools) => values('output', d.output ?? [], tools), null, 'output'],
  input: ['Input', (d, tools) => values('input', d.input ?? [], tools), null, 'input'],
  printed: ['Printed', printed, printedNote, 'printed printed_dropped'],
  pictures: ['Pictures', pictures, picturesNote, 'pictures pictures_of'],
  timing: ['Timing', timing, null, 'timing visits'],
  about: ['About', about, null, 'tool doc'],
};

/** The part of a node's details that a section depends on, as a string for comparison. */
export const partOf = (name, data) => JSON.stringify(SECTIONS[name][3].split(' ').map((field) => data[field]));

const lastFailed = (data) => data.attempts.filter((a) => a.status === 'failed').at(-1)?.n ?? 1;

/** The names of a node's sections, the most important first: the error, the attempts, the items, else the output. */
export function sectionOrder(data) {
  const { status } = data;
  const rest = ['pictures', 'output', 'input', 'printed', 'timing', 'about'];
  if (status === 'pending') return ['waits', 'attempts', 'error', 'items', 'inside', 'next', ...rest];
  if (status === 'failed') return ['error', 'attempts', 'items', 'inside', 'input', 'next', 'pictures', 'printed', 'output', 'timing', 'about'];
  if (status === 'retrying') return ['attempts', 'error', 'inside', 'pictures', 'input', 'printed', 'timing', 'about'];
  if (data.items) return ['items', 'inside', 'error', 'pictures', 'printed', 'next', 'input', 'output', 'timing', 'about'];
  return ['attempts', 'error', 'inside', 'next', ...rest];
}

/** The element of a section, or null. `tools`: {icons, locate, opened, run, select, open}. */
export function section(name, data, tools) {
  const [title, body, note] = SECTIONS[name];
  const content = body(data, tools);
  if (content === null) return null;
  const heading = typeof title === 'function' ? title(data) : title;
  const aside = note?.(data);
  return h('section', { class: 'nf-sec' }, h('h2', {}, heading, aside ? h('span', { class: 'nf-num' }, aside) : null), content);
}
