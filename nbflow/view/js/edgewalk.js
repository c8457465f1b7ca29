// Keyboard navigation along edges: the edges on each side of a node, and the target of a key. Pure.
//
// `edges` is a Map of key -> {from, to}. Shift with an arrow moves from a node to its edges: right or down to outgoing
// ones, left or up to incoming ones.

const SIDES = { ArrowRight: 'from', ArrowDown: 'from', ArrowLeft: 'to', ArrowUp: 'to' };
const STEPS = { ArrowDown: 1, ArrowUp: -1 };
const ENDS = { ArrowRight: 'to', ArrowLeft: 'from' };

/** The keys of the edges whose end `side`, "from" or "to", is a node. */
const keysAt = (edges, side, node) => [...edges.keys()].filter((key) => edges.get(key)[side] === node);

/** The target of Shift with an arrow on a node, {key, side}, or null if the node has no edge on that side. */
export function edgeOf(edges, node, arrow) {
  const side = SIDES[arrow];
  const [key] = side ? keysAt(edges, side, node) : [];
  return key === undefined ? null : { key, side };
}

/** The target of an arrow on an edge: the next edge of its node on that `side`, {key}, a node, {node}, or null. */
export function stepFrom(edges, { key, side }, arrow) {
  const edge = edges.get(key);
  if (!edge) return null;
  if (arrow in ENDS) return { node: edge[ENDS[arrow]] };
  if (!(arrow in STEPS)) return null;
  const keys = keysAt(edges, side, edge[side]);
  return { key: keys[(keys.indexOf(key) + STEPS[arrow] + keys.length) % keys.length] };
}
