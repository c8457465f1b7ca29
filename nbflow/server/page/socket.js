// The live view's transport over a WebSocket: it comes back by itself when the line breaks, unless the server refuses.

import * as api from './api.js';

const SOON = 500; // ms until the first new try
const LATER = 10_000; // ms at the most between two
const BUSY = 429; // too much at once, which passes
const REFUSED = 1008; // the server will not have us, and trying again changes nothing

function address(run) {
  const at = new URL(`ws/view/${encodeURIComponent(run)}`, document.baseURI);
  at.protocol = at.protocol.replace('http', 'ws');
  return at;
}

/** Return the reason why a run cannot be shown, since a browser hides that of a refused socket; null if it can be. */
async function refusal(run) {
  const error = await api.result(run).then(() => null, (found) => found);
  return error instanceof api.Refused && error.status < 500 && error.status !== BUSY ? error : null;
}

/** A transport for `mount` that shows a run; `onScene` hears which run is shown: a fork is another; `onRefused` why none is. */
export function transportTo(run, { onScene, onRefused }) {
  let [shown, socket, receive, timer, wait, closed] = [run, null, null, null, SOON, false];

  function hear({ data }) {
    const message = JSON.parse(data);
    if (message.type === 'scene') {
      shown = message.run_id;
      onScene(message);
    }
    receive(message);
  }

  function connect() {
    let opened = false;
    socket = new WebSocket(address(shown));
    socket.onopen = () => {
      [opened, wait] = [true, SOON];
      receive({ type: 'connection', live: true });
      send({ type: 'ready' });
    };
    socket.onmessage = hear;
    socket.onclose = async ({ code }) => {
      if (closed) return;
      receive({ type: 'connection', live: false });
      if (code === REFUSED) return;
      const refused = opened ? null : await refusal(shown);
      if (closed) return;
      if (refused) {
        onRefused(refused);
        return;
      }
      timer = setTimeout(connect, wait);
      wait = Math.min(LATER, wait * 2);
    };
  }

  function send(message) {
    if (socket?.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  }

  return {
    send,
    open(listener) {
      receive = listener;
      connect();
      return () => {
        closed = true;
        clearTimeout(timer);
        socket.close();
      };
    },
  };
}
