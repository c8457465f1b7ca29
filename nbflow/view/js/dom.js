// Create elements. Texts become text nodes; no code of the view parses a string as HTML.

export const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value == null || value === false) continue;
    if (typeof value === 'function') element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child != null && child !== ''));
  return element;
}

/** Create an HTML element: h('button', {class: 'nf-btn', onclick: f}, 'Stop'). */
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** Create a scrolling box that the keyboard can reach, with an accessible name. */
export const scroller = (name, attributes = {}, ...children) => h('div', { tabindex: '0', role: 'region', 'aria-label': name, ...attributes }, children);

/** Create an SVG element. */
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Set a text only if it differs: writing even the same text makes the browser compute the layout again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set an attribute, or remove it with null, only if it differs. */
export function setAttr(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** True if the person's system asks for reduced motion. */
export const still = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;
