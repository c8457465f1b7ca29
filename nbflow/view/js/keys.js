// The keyboard shortcuts of the whole view. Letters do nothing in text fields or with a modifier.

import { NAMES } from './faces.js';

const KEYS = {
  Escape: (hands) => hands.escape(),
  c: (hands) => hands.collapse(!hands.collapsed, true),
  w: (hands) => hands.next('waiting'),
  e: (hands) => hands.next('failed'),
  p: ({ view }) => view.header.click(view.model.run.status === 'paused' ? 'continue' : 'pause'),
  s: ({ view }) => view.header.click('stop'),
  r: ({ view }) => view.header.click('resume'),
  '.': ({ view }) => view.header.click('step'),
  b: ({ view }) => view.inspector.steering.toggle(),
  '/': ({ view }) => view.faces.face.find?.(),
  '[': ({ view }) => view.travel.step(-1),
  ']': ({ view }) => view.travel.step(1),
  l: ({ view }) => view.travel.live(),
  ...Object.fromEntries(NAMES.map((name, i) => [String(i + 1), (hands) => hands.show(name)])),
};

/** Handle a key pressed inside the view, and stop it from reaching the notebook. */
export function onKey(event, hands) {
  const typing = event.target.closest('input, textarea, select');
  const act = KEYS[event.key];
  if (!act || !hands.view.model.scene || event.ctrlKey || event.metaKey || event.altKey || (typing && event.key !== 'Escape')) return;
  act(hands);
  event.preventDefault();
  event.stopPropagation();
}
