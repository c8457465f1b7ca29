// The page: a column of graphs and runs, and beside it what is chosen. The address after # says what that is, so that
// a reload, a bookmark and the browser's own way back lead there.

import { h, mount, setText } from './view.js';
import { worded } from './api.js';
import { Lists } from './lists.js';
import { transportTo } from './socket.js';
import { readGraph } from './start.js';

const fault = h('p', { class: 'pg-fault', role: 'alert', hidden: true });
const main = h('main', { class: 'pg-main', tabindex: '-1' });
const lists = new Lists({ onFault: (error) => tell(error && worded(error)) });
let [leave, turn] = [() => {}, 0];

function tell(text) {
  fault.hidden = !text;
  setText(fault, text ?? '');
}

function chosen() {
  const [kind, ...rest] = location.hash.slice(1).split('/');
  return { kind, name: decodeURIComponent(rest.join('/')) };
}

function showRun(id) {
  const frame = h('div', { class: 'pg-view pg-run' });
  main.replaceChildren(frame);
  const onScene = ({ run_id: shown, title }) => {
    document.title = `${title} · nbflow`;
    const hash = `#run/${shown}`;
    if (location.hash !== hash) history.replaceState(null, '', hash);
    lists.mark(hash.slice(1));
    lists.refresh();
  };
  const onRefused = (error) => main.prepend(h('p', { class: 'pg-fault', role: 'alert' }, worded(error)));
  return mount(frame, transportTo(id, { onScene, onRefused }));
}

function welcome() {
  lists.narrow(null);
  main.replaceChildren(h('div', { class: 'pg-empty' }, h('p', {}, 'Choose a graph to run it, or a run to look at it.')));
  return () => {};
}

async function show() {
  const { kind, name } = chosen();
  const mine = (turn += 1);
  leave();
  leave = () => {};
  lists.mark(`${kind}/${name}`);
  document.title = kind === 'graph' ? `${name} · nbflow` : 'nbflow';
  const go = (id) => {
    location.hash = `#run/${id}`;
  };
  try {
    const draw = kind === 'graph' ? await readGraph(name, { onRun: go }) : kind === 'run' ? () => showRun(name) : welcome;
    if (mine === turn) leave = draw(main);
  } catch (error) {
    if (mine === turn) main.replaceChildren(h('div', { class: 'pg-empty' }, h('p', { role: 'alert' }, worded(error))));
  }
}

document.body.append(
  h('header', { class: 'pg-top' }, h('a', { class: 'pg-brand', href: '#' }, 'nbflow'), fault),
  h('div', { class: 'pg-body' }, lists.el, main),
);
addEventListener('hashchange', show);
lists.begin();
show();
