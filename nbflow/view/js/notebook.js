// Read from JupyterLab's page the element of a cell, and whether the kernel is connected.
//
// Elements of cells do not have the cell's id. So the id is looked up in the document of the widget manager, which has
// the order of the cells; the element of the n-th cell has the attribute n. If any of this is missing (another front
// end), there is no link to the cell.

function indexOf(cells, id) {
  for (let i = 0; i < (cells?.length ?? 0); i += 1) if (cells.get(i)?.id === id) return i;
  return -1;
}

// In JupyterLab's windowing mode "full" only cells near the viewport have elements; in other modes all cells have.
function elementOf(notebook, index, count) {
  const all = notebook.querySelectorAll('.jp-Cell');
  return all.length === count ? all[index] : notebook.querySelector(`.jp-Cell[data-windowed-list-index="${index}"]`);
}

// The property of the element that refers to its editor has different names in versions of CodeMirror.
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

/** Return a function that shows cell `id` with the cursor in `line`, or null if the cell is not found. */
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

/** True if messages can reach the kernel: its comm is open (else JupyterLab marks the element), and it is alive. */
export function isConnected(manager, el) {
  if (el.closest('.jupyter-widgets-disconnected')) return false;
  const context = manager?.context?.sessionContext;
  if (!context) return true;
  const kernel = context.session?.kernel;
  return Boolean(kernel) && !GONE.has(kernel.status) && kernel.connectionStatus === 'connected';
}

/** Call `listener` when the connection may have changed; return a function that stops listening. */
export function onConnection(manager, listener) {
  const signals = SIGNALS.map((name) => manager?.context?.sessionContext?.[name]).filter(Boolean);
  for (const signal of signals) signal.connect(listener);
  return () => {
    for (const signal of signals) signal.disconnect(listener);
  };
}
