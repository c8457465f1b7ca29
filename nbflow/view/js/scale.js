// The time axis: ticks, positions of moments, zooming and panning. Pure.
//
// A view is {from, to} in seconds of the run; the domain is the whole axis, from 0 to `end`.

import { clock } from './format.js';

const APART = 110; // px: the least distance of two ticks
const NARROWEST = 1e-4; // s
const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400];
const DAY = 86400;

/** The smallest round step of at least `least` seconds: 0.002, 0.5, 15, 60, 3600, 172800. */
export function niceStep(least) {
  if (least <= 0.5) {
    const power = 10 ** Math.floor(Math.log10(Math.max(least, 1e-6)) + 1e-9);
    return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= least * (1 - 1e-9));
  }
  return STEPS.find((step) => step >= least) ?? Math.ceil(least / DAY) * DAY;
}

/** The ticks of a view drawn `width` px wide: {step, at}. */
export function ticks(view, width, apart = APART) {
  const step = niceStep(((view.to - view.from) * apart) / Math.max(width, 1));
  const first = Math.ceil(view.from / step - 1e-9);
  const last = Math.floor(view.to / step + 1e-9);
  return { step, at: Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => (first + i) * step) };
}

/** The text of a tick: "0:30", "1:02:00"; with fractions "0:02.50", in a short run "2.50 s" or "20 ms". */
export function tickText(time, step, end = Infinity) {
  if (step >= 1) return clock(time + 1e-6);
  if (end < 1) return `${Number((time * 1000).toPrecision(6))} ms`;
  const digits = Math.max(1, Math.ceil(-Math.log10(step) - 1e-9));
  if (end < 60) return `${time.toFixed(digits)} s`;
  const units = Math.round(time * 10 ** digits);
  return `${clock(Math.floor(units / 10 ** digits))}.${String(units % 10 ** digits).padStart(digits, '0')}`;
}

export const toX = (time, view, width) => ((time - view.from) / (view.to - view.from)) * width;
export const toTime = (x, view, width) => view.from + (x / width) * (view.to - view.from);

/** The end of the axis at `now`: a live run has room after it, so that bars grow instead of the axis being rescaled. */
export function domainEnd(now, live, width) {
  const end = Math.max(now, NARROWEST);
  if (!live) return end;
  const room = ticks({ from: 0, to: end }, width).step / 4;
  return Math.ceil(end / room - 1e-9) * room;
}

/** The view within 0 to `end` that is nearest to the requested one, with the same width if that fits. */
export function clampView(view, end) {
  const wide = Math.min(Math.max(view.to - view.from, NARROWEST), end);
  const from = Math.min(Math.max(view.from, 0), end - wide);
  return { from, to: from + wide };
}

/** Zoom by a factor (2 shows half the time) about a moment, whose position does not change. */
export function zoom(view, factor, about, end) {
  const wide = Math.min(Math.max((view.to - view.from) / factor, NARROWEST), end);
  const part = (about - view.from) / (view.to - view.from);
  return clampView({ from: about - part * wide, to: about + (1 - part) * wide }, end);
}

/** Pan by a distance in px. */
export function pan(view, px, width, end) {
  const by = (px / width) * (view.to - view.from);
  return clampView({ from: view.from + by, to: view.to + by }, end);
}

/** The view with the smallest move that shows `from` to `to`; if that is wider than the view, its start. */
export function revealTime(view, from, to, end) {
  const wide = view.to - view.from;
  const margin = wide / 20;
  if (from >= view.from && to <= view.to) return view;
  const start = from < view.from || to - from > wide - margin ? from - margin : to + margin - wide;
  return clampView({ from: start, to: start + wide }, end);
}
