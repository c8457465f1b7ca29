// A key that is typed into a form: letters mean what they say there, so the view's shortcuts never hear of them.

/** Keep a key in the form but for Escape, which is the view's; with Ctrl or Cmd, Enter does what `submit` does. */
export function onTyped(event, submit) {
  if (event.key === 'Escape') return;
  event.stopPropagation();
  if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  submit();
}
