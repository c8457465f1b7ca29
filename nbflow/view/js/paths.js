// The path of what is within a map or a subgraph: an item, "fan[7]", an inner node, "sub/inner", or deeper. A node's own
// id holds neither "/" nor "[". Pure.

/** The outermost node of a path; null of null. */
export const rootOf = (path) => (path === null ? null : path.split(/[/[]/, 1)[0]);

/** A path as what it is in, null at the outermost, and the last step to it: "fan[7]" -> {parent: "fan", step: "[7]"}. */
export function stepOf(path) {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('['));
  return at < 0 ? { parent: null, step: path } : { parent: path.slice(0, at), step: path.slice(at) };
}
