// A file in place of a long text: chosen or dropped, its contents become the text of the field.

import { h } from './view.js';

async function fill(box, file) {
  box.value = await file.text();
  box.dispatchEvent(new Event('input', { bubbles: true }));
}

/** Let each long text of a form be filled from a file. */
export function takeFiles(form) {
  for (const box of form.querySelectorAll('textarea')) {
    const chosen = h('input', { type: 'file', class: 'nf-sr', tabindex: '-1', 'aria-hidden': 'true' });
    chosen.addEventListener('change', () => chosen.files[0] && fill(box, chosen.files[0]));
    box.addEventListener('dragover', (event) => event.preventDefault());
    box.addEventListener('drop', (event) => {
      const [file] = event.dataTransfer.files;
      if (!file) return;
      event.preventDefault();
      fill(box, file);
    });
    const label = box.closest('.nf-fld')?.querySelector('label')?.textContent ?? 'this';
    const open = h('button', { class: 'nf-link pg-file', type: 'button', 'aria-label': `Open a file as ${label}` }, 'Open a file');
    open.addEventListener('click', () => chosen.click());
    box.after(open, chosen);
  }
}
