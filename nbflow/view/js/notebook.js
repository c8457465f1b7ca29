// What JupyterLab's page tells beside the messages: where a cell is, and whether the kernel is still there.
//
// The page's elements do not carry a cell's id, so the way leads over the widget manager's document: it knows the
// cells' order, and the n-th cell's element carries n. Where any of this is missing (another front end) there is no
// link: better none than a dead one.

function indexOf(cells, id) {
  for (let i = 0; i < (cells?.length ?? 0); i += 1) if (cells.get(i)?.id === id) return i;
  return -1;
}

// In Lab's "full" windowing mode only cells near the viewport have elements; otherwise all have.
function elementOf(notebook, index, count) {
  const all = notebook.querySelectorAll('.jp-Cell');
  return all.length === count ? all[index] : notebook.querySelector(`.jp-Cell[data-windowed-list-index="${index}"]`);
}

// The editor hangs on its element under a name its versions do not agree on.
function editorOf(cell) {
  const content = cell.querySelector('.cm-content');
  return content?.cmTile?.view ?? content?.cmView?.view ?? null;
}

function putCursor(cell, line) {
  const view = editorOf(cell);
  if (!view?.dispatch || !line) return;
  const { from } = view.state.doc.line(Math.min(line, view.state.doc.lines));
  view.dispatch({ selection: { anchor: from } });
  view.focus();
}

/** A function that shows cell `id` with the cursor in `line`, or null where the cell cannot be found. */
export function cellOpener(manager, el, id, line) {
  const cells = manager?.context?.model?.cells;
  const notebook = el.closest('.jp-Notebook');
  const index = indexOf(cells, id);
  if (!notebook || index < 0 || !elementOf(notebook, index, cells.length)) return null;
  return () => {
    const cell = elementOf(notebook, indexOf(cells, id), cells.length);
    if (!cell) return;
    const rows = cell.querySelectorAll('.cm-line');
    (rows[line - 1] ?? cell).scrollIntoView({ block: 'center' });
    putCursor(cell, line);
  };
}

const GONE = new Set(['dead', 'terminating', 'restarting', 'autorestarting']);
const SIGNALS = ['statusChanged', 'connectionStatusChanged', 'kernelChanged'];

/** Whether messages can reach the kernel: its comm lives (else Lab marks the view's element), and so does the kernel. */
export function isConnected(manager, el) {
  if (el.closest('.jupyter-widgets-disconnected')) return false;
  const context = manager?.context?.sessionContext;
  if (!context) return true;
  const kernel = context.session?.kernel;
  return Boolean(kernel) && !GONE.has(kernel.status) && kernel.connectionStatus === 'connected';
}

/** Call `listener` when any of that may have changed; returns a function that stops it. */
export function onConnection(manager, listener) {
  const signals = SIGNALS.map((name) => manager?.context?.sessionContext?.[name]).filter(Boolean);
  for (const signal of signals) signal.connect(listener);
  return () => {
    for (const signal of signals) signal.disconnect(listener);
  };
}
