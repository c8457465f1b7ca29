// A graph before its run: as it is drawn, and a form of what it needs.

import { h, mount, setText, Sheet } from './view.js';
import * as api from './api.js';
import { takeFiles } from './files.js';

/** What shows a scene that nothing happens in. */
const still = (scene) => ({
  send() {},
  open(receive) {
    receive(scene);
    return () => {};
  },
});

/** A key for one press of the button; `crypto.randomUUID` is only there on HTTPS and on localhost. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, '0')).join('');

function sheetOf(graph, onRun) {
  const schema = graph.state_schema;
  const asks = Object.keys(schema.properties ?? {}).length > 0;
  const details = asks ? null : 'It needs nothing to begin with.';
  let key = newKey();
  const question = { question: `Run ${graph.name}`, details, schema: asks ? schema : { type: 'object', default: {} } };
  const sheet = new Sheet(question, async (form) => {
    const { value, errors } = form.gathered();
    form.refuse(errors);
    if (Object.keys(errors).length) return;
    form.open('Starting');
    try {
      onRun(await api.start(graph.name, value ?? {}, key));
    } catch (error) {
      // Without a response, the run may have started: the next press repeats this request, with the same key.
      if (error instanceof api.Refused) key = newKey();
      form.refuse({ '': error.message });
    }
  }, { word: 'Run', note: '' });
  takeFiles(sheet.el);
  return sheet;
}

/** Read a graph; returns what shows it in an element, which returns what takes it away again. */
export async function readGraph(name, { onRun }) {
  const [graph, scene] = await Promise.all([api.graph(name), api.scene(name)]);
  return (el) => {
    const frame = h('div', { class: 'pg-view' });
    const text = h('pre', { class: 'pg-text' });
    setText(text, graph.text);
    const form = h('div', { class: 'nf-root pg-card' }, sheetOf(graph, onRun).el);
    const source = h('details', { class: 'pg-source' }, h('summary', {}, 'Notation'), text);
    el.replaceChildren(h('h1', {}, graph.name), frame, h('div', { class: 'pg-below' }, form, source));
    return mount(frame, still(scene));
  };
}
