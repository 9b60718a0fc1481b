/** One-key shortcuts of the page; never while somebody types or a dialog is open. */

/** @param {Record<string, (event: KeyboardEvent) => void>} actions By key. */
export function listenToKeys(actions) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) {
      return;
    }
    const target = event.target instanceof Element ? event.target : null;
    const typing = target?.closest("input, textarea, select, [contenteditable=true], dialog[open], .cm-editor");
    if (typing || !Object.hasOwn(actions, event.key)) {
      return;
    }
    event.preventDefault();
    event.stopImmediatePropagation();
    actions[event.key](event);
  });
}
