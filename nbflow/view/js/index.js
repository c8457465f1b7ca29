// The entry point for anywidget, which uses the widget's traits and messages as a transport. `mount` creates the same
// view over any other transport; the other exports are for pages around it.

import { h, setText } from './dom.js';
import { Sheet } from './form.js';
import { duration, look, plural, WORDS } from './format.js';
import { StatusIcons } from './icons.js';
import { cellOpener, isConnected, onConnection } from './notebook.js';
import { mount } from './view.js';

const TRAITS = ['scene', 'snapshot'];

// Traits and custom messages of the widget carry the same JSON messages; a change of the connection is added as one
// more. A widget may have several views, in one page or many, and all receive each message: an answer repeats the
// request.
function transportOf(model, el) {
  const manager = model.widget_manager;
  const view = Math.random().toString(36).slice(2);
  let [live, lost] = [true, false];
  let tell = () => {};
  const look = () => {
    if ((!lost && isConnected(manager, el)) !== live) tell({ type: 'connection', live: (live = !live) });
  };
  return {
    // JupyterLab closes the comms of a kernel that it restarts: sending then throws, though a new kernel is connected.
    send(message) {
      try {
        model.send({ ...message, view });
      } catch {
        lost = true;
        look();
      }
    },
    locate: (cell, line) => cellOpener(manager, el, cell, line),
    open(receive) {
      tell = receive;
      const hear = Object.fromEntries(TRAITS.map((name) => [`change:${name}`, () => receive(model.get(name))]));
      Object.assign(hear, { 'msg:custom': (message) => (message.view ?? view) === view && receive(message), comm_live_update: look });
      for (const [event, listener] of Object.entries(hear)) model.on(event, listener);
      for (const name of TRAITS) receive(model.get(name));
      const deaf = onConnection(manager, look);
      return () => {
        deaf();
        for (const [event, listener] of Object.entries(hear)) model.off(event, listener);
      };
    },
  };
}

export { duration, h, look, mount, plural, setText, Sheet, StatusIcons, WORDS };

export default {
  render({ model, el }) {
    return mount(el, transportOf(model, el));
  },
};
