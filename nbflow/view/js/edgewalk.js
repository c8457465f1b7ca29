// A graph's edges by keyboard: which edges a node has on a side, and where a key leads from one of them. Pure.
//
// `edges` is a Map of key -> {from, to}. With Shift an arrow leaves a node for its edges: to the right or down for those
// that lead out of it, to the left or up for those that lead into it.

const SIDES = { ArrowRight: 'from', ArrowDown: 'from', ArrowLeft: 'to', ArrowUp: 'to' };
const STEPS = { ArrowDown: 1, ArrowUp: -1 };
const ENDS = { ArrowRight: 'to', ArrowLeft: 'from' };

/** The keys of the edges that have a node at their end `side`, "from" or "to". */
const keysAt = (edges, side, node) => [...edges.keys()].filter((key) => edges.get(key)[side] === node);

/** What an arrow with Shift leads to from a node, {key, side}; null where the node has no edge on that side. */
export function edgeOf(edges, node, arrow) {
  const side = SIDES[arrow];
  const [key] = side ? keysAt(edges, side, node) : [];
  return key === undefined ? null : { key, side };
}

/** What an arrow leads to from an edge: the next one of its node on that `side`, {key}, or a node, {node}; else null. */
export function stepFrom(edges, { key, side }, arrow) {
  const edge = edges.get(key);
  if (!edge) return null;
  if (arrow in ENDS) return { node: edge[ENDS[arrow]] };
  if (!(arrow in STEPS)) return null;
  const keys = keysAt(edges, side, edge[side]);
  return { key: keys[(keys.indexOf(key) + STEPS[arrow] + keys.length) % keys.length] };
}
