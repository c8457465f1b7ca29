// Making elements. Text goes in as text; nothing here, or anywhere in the view, parses a string as HTML.

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

/** An HTML element: h('button', {class: 'nf-btn', onclick: f}, 'Stop'). */
export const h = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);

/** A box that scrolls: the keyboard can reach it, and it has a name there. */
export const scroller = (name, attributes = {}, ...children) => h('div', { tabindex: '0', role: 'region', 'aria-label': name, ...attributes }, children);

/** An SVG element. */
export const s = (tag, attributes = {}, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

/** Set a text only when it differs: a write, even of the same text, makes the browser lay out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Set or, with null, remove an attribute, only when it differs. */
export function setAttr(element, name, value) {
  if (value == null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Whether the person wants less motion. */
export const still = () => window.matchMedia('(prefers-reduced-motion: reduce)').matches;
