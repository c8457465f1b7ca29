// Draw the pieces of a timeline on a canvas, one function for each kind. `box` is {x, y, width, height} in px.

const ROUND = 1.5;
const CROSS = 10; // px: the least width of a bar with a cross

function shape(pen, { x, y, width, height }, inset = 0) {
  pen.beginPath();
  pen.roundRect(x + inset, y + inset, Math.max(width - 2 * inset, 0.5), height - 2 * inset, ROUND);
}

function solid(colour) {
  return (pen, box, colours) => {
    pen.fillStyle = colour(colours);
    if (box.width < 4 || box.height < 4) pen.fillRect(box.x, box.y, box.width, box.height);
    else {
      shape(pen, box);
      pen.fill();
    }
  };
}

function outlined(status, dash) {
  return (pen, box, colours) => {
    const colour = colours[status];
    if (box.width < 4) return solid(() => colour.l)(pen, box);
    shape(pen, box, 0.5);
    pen.fillStyle = colour.f;
    pen.fill();
    pen.strokeStyle = colour.l;
    pen.lineWidth = 1;
    pen.setLineDash(dash);
    pen.stroke();
    pen.setLineDash([]);
  };
}

export function stroke(pen, points, colour, width, dash = []) {
  pen.beginPath();
  for (const [x0, y0, x1, y1] of points) {
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
  }
  pen.strokeStyle = colour;
  pen.lineWidth = width;
  pen.setLineDash(dash);
  pen.stroke();
  pen.setLineDash([]);
}

function failed(pen, box, colours) {
  outlined('failed', [])(pen, box, colours);
  if (box.width < CROSS) return;
  const [x, y] = [box.x + box.width - 8, box.y + box.height / 2 - 2.5];
  stroke(pen, [[x, y, x + 5, y + 5], [x + 5, y, x, y + 5]], colours.failed.s, 1.75);
}

// Hatching means waiting for a person. Its lines are placed relative to the canvas, so that they do not move as the bar
// grows.
function waiting(pen, box, colours) {
  outlined('waiting', [])(pen, box, colours);
  if (box.width < 4) return;
  const lines = [];
  const first = Math.floor((Math.max(box.x, 0) + box.y) / 7) * 7 - box.y;
  const last = Math.min(box.x + box.width, pen.canvas.clientWidth) + box.height;
  for (let x = first; x < last; x += 7) lines.push([x, box.y, x - box.height, box.y + box.height]);
  pen.save();
  shape(pen, box, 0.5);
  pen.clip();
  stroke(pen, lines, colours.waiting.l, 1.4);
  pen.restore();
}

function thread(colour, dash) {
  return (pen, box, colours) => {
    const y = box.y + box.height / 2;
    stroke(pen, [[box.x, y, box.x + box.width, y]], colour(colours), Math.min(2, box.height), dash);
  };
}

/** The function that draws a piece of each kind on `pen`. */
export const BARS = {
  running: solid((colours) => colours.running.l),
  completed: solid((colours) => colours.completed.l),
  cached: outlined('completed', []),
  skipped: outlined('skipped', [2.5, 2.5]),
  cancelled: outlined('cancelled', [1, 3]),
  failed,
  waiting,
  queued: thread((colours) => colours.pending.l, []),
  backoff: thread((colours) => colours.retrying.l, [2, 3]),
};

/** The status whose colour a piece of each kind has when it is too thin for its pattern. */
export const THIN = {
  running: 'running', completed: 'completed', cached: 'completed', skipped: 'skipped', cancelled: 'cancelled',
  failed: 'failed', waiting: 'waiting', queued: 'pending', backoff: 'retrying',
};
