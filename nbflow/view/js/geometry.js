// The geometry of a drawing in its box: scale, offset, and the nearest neighbour in a direction. Pure.

const LARGEST = 1.15;
const READABLE = 0.82; // below this an 11 px text is drawn under 9 px
const PANNED = 0.9;
const CLOSEST = 4;

/** The scale at which the whole drawing fits into its box. */
export const whole = (box, size) => Math.min(box.width / size.width, box.height / size.height, LARGEST);

/** Limit a requested scale: at least that of the whole drawing (0 means this one), at most a useful magnification. */
export const zoomTo = (wished, box, size) => ({ scale: Math.max(whole(box, size), Math.min(CLOSEST, wished)), pans: wished > 0 });

/** The scale, and whether the drawing is panned: if fitting the box makes it unreadable, it is readable and panned. */
export function fit(box, size, readable = READABLE) {
  const scale = whole(box, size);
  if (scale >= readable) return { scale, pans: false };
  return { scale: PANNED, pans: true };
}

const within = (offset, drawn, room) =>
  drawn <= room ? (room - drawn) / 2 : Math.min(0, Math.max(room - drawn, offset));

/** The offset nearest to the requested one that leaves no gap; a drawing smaller than its box is centred. */
export function clampOffset(offset, drawn, box) {
  return { x: within(offset.x, drawn.width, box.width), y: within(offset.y, drawn.height, box.height) };
}

const nudge = (offset, start, end, room, margin) => {
  if (start + offset < margin) return margin - start;
  return end + offset > room - margin ? room - margin - end : offset;
};

/** The offset with the smallest change that shows `rect` (px of the drawing) with a margin. */
export function reveal(offset, rect, box, margin = 48) {
  return {
    x: nudge(offset.x, rect.x, rect.x + rect.width, box.width, margin),
    y: nudge(offset.y, rect.y, rect.y + rect.height, box.height, margin),
  };
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** The id of the nearest rectangle in an arrow's direction, or null. `rects`: Map id -> {x, y, width, height}. */
export function neighbour(rects, from, key) {
  const arrow = ARROWS[key];
  const here = rects.get(from);
  if (!arrow || !here) return null;
  const [right, down] = arrow;
  let best = null;
  let least = Infinity;
  for (const [id, rect] of rects) {
    const x = rect.x + rect.width / 2 - here.x - here.width / 2;
    const y = rect.y + rect.height / 2 - here.y - here.height / 2;
    const ahead = x * right + y * down;
    const cost = ahead + 2 * Math.abs(x * down + y * right);
    if (id !== from && ahead > 4 && cost < least) [best, least] = [id, cost];
  }
  return best;
}
