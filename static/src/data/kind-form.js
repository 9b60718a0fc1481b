/** The form of a kind of datastore: fields that do not matter are hidden, and the connection can be tried. */
import { api, ApiError } from "../lib/api.js";
import { TestResult } from "./test-result.js";
import { isNeeded, valuesIn } from "./kind-values.js";

/** @param {HTMLFormElement} form */
export function wireKindForm(form) {
  const result = new TestResult(form.querySelector("[data-test-result]"));
  const button = /** @type {HTMLButtonElement} */ (form.querySelector("[data-test-connection]"));

  function show() {
    const values = Object.fromEntries([...fields(form)].map((field) => [field.name, valueOf(field)]));
    for (const place of form.querySelectorAll("[data-when]")) {
      if (place instanceof HTMLElement) place.hidden = !isNeeded(JSON.parse(place.dataset.when), values);
    }
  }

  async function test() {
    button.disabled = true;
    for (const error of form.querySelectorAll("[data-error-for]")) error.textContent = "";
    result.busy("Connecting…");
    const shown = [...fields(form)].filter((field) => !field.closest("[hidden]"));
    const body = valuesIn(shown.map((field) => ({ name: field.name, type: field.type, value: valueOf(field) })));
    if (form.dataset.kind) Object.assign(body, { kind: form.dataset.kind });
    try {
      result.good((await api.post(form.dataset.testUrl, body)).message);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      tell(error);
    } finally {
      button.disabled = false;
    }
  }

  function tell(/** @type {ApiError} */ error) {
    const general = error.problems.filter(({ loc, message }) => {
      const place = form.querySelector(`[data-error-for="${CSS.escape(loc.slice(0, 2).join("_"))}"]`);
      if (place) place.append(Object.assign(document.createElement("div"), { textContent: message }));
      return !place || place.closest("[hidden]");
    });
    const words = general.map(({ message }) => message).join(" ");
    if (words || !error.problems.length) result.bad(words || error.detail);
    else result.bad("It did not work: what is wrong stands at its field.");
    const first = form.querySelector(".field-error:not(:empty)")?.closest(".field")?.querySelector("input, select, textarea");
    if (first instanceof HTMLElement) first.focus();
  }

  button.hidden = false;
  button.addEventListener("click", test);
  form.addEventListener("change", show);
  show();
}

/** @returns {Generator<HTMLInputElement|HTMLSelectElement|HTMLTextAreaElement>} */
function* fields(/** @type {HTMLFormElement} */ form) {
  for (const field of form.elements) {
    if (field instanceof HTMLInputElement || field instanceof HTMLSelectElement || field instanceof HTMLTextAreaElement) yield field;
  }
}

function valueOf(field) {
  return field instanceof HTMLInputElement && field.type === "checkbox" ? String(field.checked) : field.value;
}
