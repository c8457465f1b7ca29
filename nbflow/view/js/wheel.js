// Interpret the wheel over a drawing. Vertical scrolling without a key is left to the notebook.

const CLOSER = 1.0025; // for each px

/** Return {factor, px}: the zoom factor, null without Ctrl or Cmd, and the px to pan, 0 for vertical scrolling. */
export function wheelOf(event) {
  if (event.ctrlKey || event.metaKey) return { factor: CLOSER ** -event.deltaY, px: 0 };
  const sideways = event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY);
  const px = event.shiftKey ? event.deltaX || event.deltaY : event.deltaX;
  return { factor: null, px: sideways ? px : 0 };
}
