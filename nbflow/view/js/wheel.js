// What a wheel over a drawing asks for. The notebook keeps its own scrolling: only a wheel with a key, or sideways, is
// taken.

const CLOSER = 1.0025; // for each px

/** {factor, px}: by how much to zoom, null without Ctrl or Cmd; else how far to pan, 0 where it only scrolls. */
export function wheelOf(event) {
  if (event.ctrlKey || event.metaKey) return { factor: CLOSER ** -event.deltaY, px: 0 };
  const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  const px = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
  return { factor: null, px: sideways ? px : 0 };
}
