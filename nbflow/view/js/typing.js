// Keys typed into a form: they must not trigger the shortcuts of the view or of the notebook.

/** Stop a key from leaving the form, except Escape, which the view handles; Ctrl or Cmd with Enter calls `submit`. */
export function onTyped(event, submit) {
  if (event.key === 'Escape') return;
  event.stopPropagation();
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  submit();
}
