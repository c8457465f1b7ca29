// Format statuses, durations, counts and the second line of a node. Pure.

export const WORDS = {
  ready: 'Ready', pending: 'Pending', running: 'Running', waiting: 'Waiting for you', retrying: 'Retrying',
  paused: 'Paused', completed: 'Completed', failed: 'Failed', cancelled: 'Cancelled', skipped: 'Skipped',
};
// Two statuses of a run are not statuses of nodes; they use the icon and colour of a node's status.
export const LOOK = { ready: 'pending', paused: 'waiting' };
/** Statuses of a run that did not complete and can be resumed. */
export const UNFINISHED = new Set(['failed', 'cancelled']);
export const LIVE = new Set(['running', 'waiting', 'retrying']);
export const ENDED = new Set(['completed', 'failed', 'cancelled']);

export const look = (status) => LOOK[status] ?? status;

const two = (n) => String(n).padStart(2, '0');

/** 134 -> "2:14", 3725 -> "1:02:05". */
export function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes}:${two(s % 60)}` : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(s % 60)}`;
}

/** A time with tenths of a second: 71.73 -> "1:11.7". */
export const clockTenths = (seconds) => `${clock(seconds)}.${Math.floor(Math.max(0, seconds) * 10 + 1e-6) % 10}`;

/** A number in groups of three digits, separated by thin spaces: 1234567 -> "1 234 567". */
export const counted = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, '\u2009');

/** A noun in singular or plural: "node", "nodes". */
export const plural = (count, one, more = `${one}s`) => (count === 1 ? one : more);

/** A finished duration in seconds: "3 ms", "1.2 s", "12 s", "28 m 06 s", "1 h 05 m". */
export function duration(seconds) {
  if (seconds < 0.0005) return '<1 ms';
  if (seconds < 0.095) return `${Math.round(seconds * 1000)} ms`;
  return seconds < 9.95 ? `${seconds.toFixed(1)} s` : elapsed(Math.round(seconds));
}

/** A duration that still grows, in whole seconds: "0 s", "12 s", "2 m 00 s". */
export function elapsed(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s} s`;
  const minutes = Math.floor(s / 60);
  return minutes < 60 ? `${minutes} m ${two(s % 60)} s` : `${Math.floor(minutes / 60)} h ${two(minutes % 60)} m`;
}

const took = (node) => (node.ms == null ? '' : duration(node.ms / 1000));
const since = (node, now) => (node.since == null ? '' : elapsed(now - node.since));
const failures = (node) => (node.items?.failed ? `${node.items.failed} failed` : '');
const joined = (...parts) => parts.filter(Boolean).join(' · ');

function runningLine(node, now) {
  if (node.items) return { text: `${node.items.done}/${node.items.total}`, bad: failures(node) };
  return { text: node.progress == null ? since(node, now) : `${Math.floor(node.progress * 100)} %`, bad: '' };
}

function completedLine(node) {
  return { text: joined(node.cached ? 'cached' : took(node), node.attempt > 1 ? `try ${node.attempt}` : ''), bad: failures(node) };
}

function retryingLine(node, now) {
  const wait = node.since == null ? '' : ` in ${Math.max(0, Math.ceil(node.since - now))} s`;
  return `try ${node.attempt}${wait}`;
}

const LINES = {
  pending: (n) => (n.inputs?.[1] > 1 ? `${n.inputs[0]} of ${n.inputs[1]} in` : ''),
  running: runningLine,
  waiting: (n, now) => `waiting ${since(n, now)}`.trim(),
  retrying: retryingLine,
  completed: completedLine,
  failed: (n) => n.error || 'failed',
  cancelled: (n) => (n.ms == null ? '' : `after ${took(n)}`),
  skipped: () => 'not needed',
};

/** The second line of a node at `now` (seconds by the kernel's clock): {text, bad}; `bad` is drawn as a failure. */
export function secondLine(node, now) {
  const line = LINES[node.status]?.(node, now) ?? '';
  return typeof line === 'string' ? { text: line, bad: '' } : line;
}

/** The second line as one string: "37/500 · 2 failed". */
export function secondText(node, now) {
  const { text, bad } = secondLine(node, now);
  return joined(text, bad);
}

export const badge = (node) => (node.runs > 1 ? `×${node.runs}` : '');

/**
 * The accessible name of a node: "review_files, 37/500 · 2 failed, map, running". It starts with the visible text,
 * which people who use speech input say (WCAG 2.5.3, Label in Name). `drawn` is the visible name, `caption` the visible
 * condition.
 */
export function spoken(id, kind, node, now, { drawn = id, caption = '' } = {}) {
  const line = secondText(node, now);
  const seen = [drawn || id, line, badge(node), caption];
  const times = node.runs > 1 ? `run ${node.runs} times` : '';
  return [...seen, drawn && drawn !== id ? id : '', kind, line === node.status ? '' : node.status, times].filter(Boolean).join(', ');
}

/** A text for whether, and how often, an edge was taken. */
export function takenWord({ state, count }) {
  if (!count) return state === 'untaken' ? 'Not taken' : 'Not decided';
  return count > 1 ? `Taken ${count} times` : 'Taken';
}

/** The name of the node at an end of an edge. */
export const endName = (id) => (id === 'END' ? 'the end' : id);

/** The facts of an ended run: duration, nodes, retries. */
export function facts(run, total) {
  const { completed = 0, skipped = 0 } = run.counts;
  const left = skipped ? `, ${skipped} skipped` : '';
  const out = [];
  if (run.elapsed != null) out.push(duration(run.elapsed));
  out.push(`${completed} of ${total} ${plural(total, 'node')}${left}`);
  if (run.retries) out.push(`${run.retries} ${plural(run.retries, 'retry', 'retries')}`);
  return out;
}

/** The first or last `lines` lines of a text, and whether anything was cut. */
export function clip(text, lines, { tail = false } = {}) {
  const all = text.replace(/\n$/, '').split('\n');
  const shown = tail ? all.slice(-lines) : all.slice(0, lines);
  return { text: shown.join('\n'), cut: shown.length < all.length, lines: all.length };
}
