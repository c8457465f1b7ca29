// anywidget's entry: the widget's traits and messages as a transport of the view. `mount` is the same view for any
// other transport, and what else is exported is for a page around it.

import { h, setText } from './dom.js';
import { Sheet } from './form.js';
import { duration, look, plural, WORDS } from './format.js';
import { StatusIcons } from './icons.js';
import { cellOpener, isConnected, onConnection } from './notebook.js';
import { mount } from './view.js';

const TRAITS = ['scene', 'snapshot'];

// A model's traits and its custom messages are the same JSON messages; whether the kernel is there is told as one more.
// A model may have several views, in one page or many, and all of them hear each message: an answer repeats who asked.
function transportOf(model, el) {
  const manager = model.widget_manager;
  const view = Math.random().toString(36).slice(2);
  let [live, lost] = [true, false];
  let tell = () => {};
  const look = () => {
    if ((!lost && isConnected(manager, el)) !== live) tell({ type: 'connection', live: (live = !live) });
  };
  return {
    // Lab closes the comms of a kernel that it restarts: sending throws then, though the next kernel is connected.
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
