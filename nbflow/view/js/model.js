// The page's copy of the run: kernel messages folded into plain data. Pure: no DOM, no clock.
//
// Ids are keys of Maps, never of objects: a node may be called "__proto__". Only what a message names changes, and
// `apply` says what that was, so that drawing costs what changed and not what there is.

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
 * What a message changed. `all` stands for every node and edge; `moved` for what a person changed: the face, the moment
 * or the selection; `told` for an answer to a face.
 */
export class Change {
  constructor() {
    this.clear();
  }

  clear() {
    this.scene = this.run = this.all = this.moved = this.told = false;
    this.nodes = new Set();
    this.edges = new Set();
    this.inspected = null;
  }

  get empty() {
    const { scene, run, all, moved, told, nodes, edges, inspected } = this;
    return !(scene || run || all || moved || told || nodes.size || edges.size || inspected);
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

  /** Fold one message in and note in `change` what it touched. Unknown types and stale messages change nothing. */
  apply(message, change) {
    this[`on_${message?.type}`]?.(message, change);
  }

  // A scene comes as a message and as a trait; the second is no news.
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

  /** Lay a patch over what is there; of the run it leaves another object where anything of it changed. */
  lay(patch) {
    this.stamp(patch);
    if (patch.run) this.run = { ...this.run, ...patch.run };
    for (const [id, fields] of Object.entries(patch.nodes ?? {})) this.setNode(id, { ...this.node(id), ...fields });
    for (const [key, fields] of Object.entries(patch.edges ?? {})) this.edges.set(key, { ...this.edge(key), ...fields });
  }

  /** A model that stands where this one stands; what is laid over one of them does not change the other. */
  copy() {
    const { scene, seq, now, run, nodes, edges, live, breaks } = this;
    return Object.assign(new Model(), { scene, seq, now, run, breaks, nodes: new Map(nodes), edges: new Map(edges), live: new Set(live) });
  }

  // An answer about a moment of the past is not about the run as it stands.
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

  /** How many nodes stand how: no message says it, as all of them together do. */
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

// The order of lists: what needs a person first, what is over last.
const RANK = { waiting: 0, failed: 1, retrying: 2, running: 3, pending: 4, completed: 5, cancelled: 6, skipped: 7 };

/** The first `limit` ids by rank, then by graph order. Buckets instead of a sort: it runs over every node. */
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

/** The running node that began last, or null. */
export function newest(model) {
  let best = null;
  for (const id of model.live) {
    const { status, since } = model.node(id);
    if (status === 'running' && (best === null || since >= model.node(best).since)) best = id;
  }
  return best;
}
