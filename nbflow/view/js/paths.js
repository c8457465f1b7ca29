// Paths of the parts of maps and subgraphs: an item, "fan[7]", an inner node, "sub/inner", or deeper. The id of a node
// contains neither "/" nor "[". Pure.

/** The outermost node of a path; null for null. */
export const rootOf = (path) => (path === null ? null : path.split(/[/[]/, 1)[0]);

/** Split a path into parent (null for an outermost node) and last step: "fan[7]" -> {parent: "fan", step: "[7]"}. */
export function stepOf(path) {
  const at = Math.max(path.lastIndexOf('/'), path.lastIndexOf('['));
  return at < 0 ? { parent: null, step: path } : { parent: path.slice(0, at), step: path.slice(at) };
}
