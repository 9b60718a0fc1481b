/** The form of what is done to a table's rows: buttons change the steps, and the server draws what comes of them. */
import { FormPart } from "./form_part.js";

/** @param {HTMLFormElement} form */
export function wireDeriveForm(form) {
  const part = new FormPart(form, { onDrawn: showNames });
  const target = /** @type {HTMLSelectElement} */ (form.querySelector("[data-derive-target]"));
  const first = /** @type {HTMLElement} */ (form.querySelector("[data-new-name]"));
  const second = /** @type {HTMLElement} */ (form.querySelector("[data-second-name]"));

  function showNames() {
    const isBoth = form.querySelector("[data-splits-both]") !== null;
    first.hidden = target.value !== "";
    second.hidden = !isBoth || target.value !== "";
    const name = /** @type {HTMLInputElement} */ (first.querySelector("input"));
    // Until somebody says otherwise the parts are called alike.
    if (isBoth && name.value.endsWith("-derived")) name.value = `${name.value.slice(0, -"-derived".length)}-train`;
  }

  form.addEventListener("submit", (event) => {
    if (!(event.submitter instanceof HTMLButtonElement) || event.submitter.name !== "do") return;
    event.preventDefault();
    part.now(event.submitter.value);
  });
  form.addEventListener("change", (event) => {
    if (event.target === target) showNames();
    else if (event.target instanceof Element && event.target.closest("[data-form-part]")) part.now();
  });
  form.addEventListener("input", (event) => {
    if (event.target instanceof HTMLInputElement && event.target.type !== "checkbox" && event.target.closest("[data-form-part]")) part.soon();
  });
  showNames();
  part.now();
}
