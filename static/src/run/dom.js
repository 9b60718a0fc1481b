/** Small changes to elements. */

export { h } from "../graph/dom.js";

/** Set text only where it differs, so that a selection and a screen reader are left in peace. */
export function setText(element, text) {
  if (element && element.textContent !== text) {
    element.textContent = text;
  }
}
