// Convert the SVG text of a scene to elements, with ids prefixed for this view and without scripts, links or handlers.

const UNWANTED = 'script, foreignObject, style, a, image, iframe, animate, set';

function tame(element, prefix) {
  for (const { name, value } of [...element.attributes]) {
    const link = name === 'href' || name === 'xlink:href';
    if (name.startsWith('on') || name === 'style' || (link && !value.startsWith('#'))) element.removeAttribute(name);
    else if (name === 'id') element.setAttribute(name, prefix + value);
    else if (link) element.setAttribute(name, `#${prefix}${value.slice(1)}`);
    else if (value.includes('url(')) element.setAttribute(name, value.replaceAll('url(#', `url(#${prefix}`));
  }
}

/** The <svg> of a scene, ready to insert. Throws an Error if the text is no SVG. */
export function importScene(text, prefix) {
  const parsed = new DOMParser().parseFromString(text, 'image/svg+xml');
  const root = parsed.documentElement;
  if (root.localName !== 'svg' || parsed.querySelector('parsererror')) throw new Error('the scene is not an SVG picture');
  for (const element of root.querySelectorAll(UNWANTED)) element.remove();
  for (const element of [root, ...root.querySelectorAll('*')]) tame(element, prefix);
  return document.importNode(root, true);
}

/** Width, height and origin of an <svg>, from its viewBox. */
export function viewBox(svg) {
  const [x, y, width, height] = (svg.getAttribute('viewBox') ?? '0 0 100 100').split(/[ ,]+/).map(Number);
  return { x, y, width: width || 1, height: height || 1 };
}

/** The middle of a drawn path, in coordinates of the page; null if it is not drawn. */
export function middleOf(path) {
  const matrix = path?.getScreenCTM();
  return matrix ? path.getPointAtLength(path.getTotalLength() / 2).matrixTransform(matrix) : null;
}

const SHIFT = /translate\(\s*(-?[\d.]+)[ ,]*(-?[\d.]+)?\s*\)/;

/** The box of a <rect> in the drawing: its attributes plus the translations of the groups around it. */
export function boxOf(rect, svg) {
  const number = (name) => Number(rect.getAttribute(name)) || 0;
  const origin = viewBox(svg);
  const box = { x: number('x') - origin.x, y: number('y') - origin.y, width: number('width'), height: number('height') };
  for (let at = rect; at && at !== svg; at = at.parentNode) {
    const shift = SHIFT.exec(at.getAttribute('transform') ?? '');
    if (shift) {
      box.x += Number(shift[1]);
      box.y += Number(shift[2] ?? 0);
    }
  }
  return box;
}
