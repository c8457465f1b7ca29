// The page's copy of the run: kernel messages folded into plain data. Pure: no DOM, no clock.
//
// Ids are keys of Maps, never of objects, since a node may be named "__proto__". A message changes only the nodes and
// edges that it names, and `apply` records them, so that the cost of drawing depends on the changes, not on the graph.

import { LIVE } from './format.js';

const NODE = {
  status: 'pending', since: null, ms: null, runs: 0, attempt: 1, of: 1, progress: null, text: null, cached: false,
  error: null, items: null, inputs: null,
};
const EDGE = { state: 'open', count: 0, label: null, caption: null };
const RUN = {
  status: 'ready', started: null, elapsed: null, error: null, retries: 0, note: null, lagging: false,
};

/**
 * The changes since the last drawing. `all` means every node and edge; `moved` that a person changed the face, the
 * moment or the selection; `answered` that a face received an answer.
 */
export class Change {
  constructor() {
    this.clear();
  }

  clear() {
    this.scene = this.run = this.all = this.moved = this.answered = false;
    this.nodes = new Set();
    this.edges = new Set();
    this.inspected = null;
  }

  get empty() {
    const { scene, run, all, moved, answered, nodes, edges, inspected } = this;
    return !(scene || run || all || moved || answered || nodes.size || edges.size || inspected);
  }
}

export class Model {
  constructor() {
    this.scene = null;
    this.connected = true;
    this.details = new Map();
    this.reset();
  }

  reset() {
    this.seq = -1;
    this.now = null;
    this.run = { ...RUN, counts: {} };
    this.nodes = new Map();
    this.edges = new Map();
    this.live = new Set();
    this.breaks = new Set();
    this.details.clear();
  }

  node(id) {
    return this.nodes.get(id) ?? NODE;
  }

  edge(key) {
    return this.edges.get(key) ?? EDGE;
  }

  kind(id) {
    return this.scene?.kinds?.[id] ?? 'tool';
  }

  /** Fold one message, and record in `change` what it changed. Unknown types and outdated messages are ignored. */
  apply(message, change) {
    this[`on_${message?.type}`]?.(message, change);
  }

  // A scene arrives both as a message and as a trait; the second one changes nothing.
  on_scene(scene, change) {
    if (JSON.stringify(scene) === JSON.stringify(this.scene)) return;
    if (this.scene && scene.run_id !== this.scene.run_id) this.reset();
    this.scene = scene;
    change.scene = change.all = change.run = true;
  }

  on_snapshot(message, change) {
    if (message.seq < this.seq) return;
    const { breaks } = this;
    const details = new Map(this.details);
    this.reset();
    Object.assign(this, { breaks, details });
    this.stamp(message);
    Object.assign(this.run, message.run);
    for (const [id, node] of Object.entries(message.nodes ?? {})) this.setNode(id, { ...NODE, ...node });
    for (const [key, edge] of Object.entries(message.edges ?? {})) this.edges.set(key, { ...EDGE, ...edge });
    change.all = change.run = true;
  }

  on_patch(message, change) {
    if (message.seq <= this.seq) return;
    const { run } = this;
    this.lay(message);
    change.run ||= this.run !== run;
    for (const id of Object.keys(message.nodes ?? {})) change.nodes.add(id);
    for (const key of Object.keys(message.edges ?? {})) change.edges.add(key);
  }

  /** Apply a patch. If a field of the run changed, `run` is a new object, so that a change shows in its identity. */
  lay(patch) {
    this.stamp(patch);
    if (patch.run) this.run = { ...this.run, ...patch.run };
    for (const [id, fields] of Object.entries(patch.nodes ?? {})) this.setNode(id, { ...this.node(id), ...fields });
    for (const [key, fields] of Object.entries(patch.edges ?? {})) this.edges.set(key, { ...this.edge(key), ...fields });
  }

  /** An independent copy. */
  copy() {
    const { scene, seq, now, run, nodes, edges, live, breaks } = this;
    return Object.assign(new Model(), { scene, seq, now, run, breaks, nodes: new Map(nodes), edges: new Map(edges), live: new Set(live) });
  }

  // An answer with `at` is about a past moment, not about the present that this model holds.
  on_inspector(message, change) {
    if (message.at != null) return;
    this.details.set(message.node, message.data);
    change.inspected = message.node;
  }

  on_breaks({ nodes }, change) {
    for (const id of [...this.breaks, ...nodes]) change.nodes.add(id);
    this.breaks = new Set(nodes);
    change.run = true;
  }

  on_connection(message, change) {
    this.connected = message.live;
    change.run = true;
  }

  stamp(message) {
    this.seq = message.seq;
    this.now = message.now ?? null;
  }

  /** Count the nodes by status; no message has these counts. */
  count(before, after) {
    if (before === after) return;
    const counts = { ...this.run.counts, [after]: (this.run.counts[after] ?? 0) + 1 };
    if (before) counts[before] -= 1;
    this.run = { ...this.run, counts };
  }

  setNode(id, node) {
    this.count(this.nodes.get(id)?.status, node.status);
    this.nodes.set(id, node);
    if (LIVE.has(node.status)) this.live.add(id);
    else this.live.delete(id);
  }
}

// The order of statuses in lists: nodes that need a person first, ended nodes last.
const RANK = { waiting: 0, failed: 1, retrying: 2, running: 3, pending: 4, completed: 5, cancelled: 6, skipped: 7 };

/** The first `limit` ids by rank, then in the order of the graph. Buckets avoid sorting all nodes at each drawing. */
export function ranked(order, model, limit = Infinity) {
  const buckets = Array.from({ length: 8 }, () => []);
  for (const id of order) {
    const bucket = buckets[RANK[model.node(id).status]];
    if (bucket.length < limit) bucket.push(id);
  }
  return buckets.flat().slice(0, limit);
}

const NEEDS = ['waiting', 'failed', 'retrying'];

/** Nodes that need attention: {ids: the first `limit`, total}. */
export function attention(order, model, limit) {
  const counts = model.run.counts;
  const ids = ranked(order, model, limit).filter((id) => NEEDS.includes(model.node(id).status));
  return { ids, total: NEEDS.reduce((sum, status) => sum + (counts[status] ?? 0), 0) };
}

/** Running nodes, longest first: {ids: the first `limit`, total}. */
export function slowest(model, limit) {
  const running = [...model.live].filter((id) => model.node(id).status === 'running');
  running.sort((a, b) => (model.node(a).since ?? 0) - (model.node(b).since ?? 0));
  return { ids: running.slice(0, limit), total: running.length };
}

/** The running node that started last, or null. */
export function newest(model) {
  let best = null;
  for (const id of model.live) {
    const { status, since } = model.node(id);
    if (status === 'running' && (best === null || since >= model.node(best).since)) best = id;
  }
  return best;
}
