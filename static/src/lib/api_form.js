/**
 * Forms that speak with the API: <form action="/api/…" data-api="patch">.
 *
 * What is ticked under the name that `data-api-list` gives is sent as a list.
 *
 * Afterwards: `data-api-next` is the address to go to ("" is this page again), else what the server `said`, or
 * `data-api-done`, is said in a toast and the lists on the page look again. Problems appear in the form's [data-error-for=FIELD], others in a toast.
 */
import { api, ApiError } from "./api.js";
import { toast } from "./toast.js";

/** @param {HTMLFormElement} form */
export async function sendToApi(form) {
  if (form.getAttribute("aria-busy") === "true") return;
  form.setAttribute("aria-busy", "true");
  for (const error of form.querySelectorAll("[data-error-for]")) error.textContent = "";
  const fields = new FormData(form);
  fields.delete("csrfmiddlewaretoken");
  const list = form.dataset.apiList;
  const body = [...fields.keys()].length ? { ...Object.fromEntries(fields), ...(list && { [list]: fields.getAll(list) }) } : undefined;
  let answer;
  try {
    answer = await api[form.dataset.api](form.getAttribute("action"), body);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    showProblems(form, error);
    return;
  } finally {
    form.removeAttribute("aria-busy");
  }
  const { apiNext, apiDone } = form.dataset;
  if (apiNext !== undefined) window.location.assign(apiNext || window.location.href);
  else if (answer?.said ?? apiDone) toast(answer?.said ?? apiDone, "success");
  document.dispatchEvent(new CustomEvent("studio:changed"));
}

function showProblems(form, error) {
  const rest = error.problems.filter(({ loc, message }) => {
    const place = form.querySelector(`[data-error-for="${CSS.escape(String(loc[0]))}"]`);
    if (place) place.append(Object.assign(document.createElement("div"), { textContent: message }));
    return !place;
  });
  if (error.problems.length === 0) toast(error.detail, "error");
  else if (rest.length) toast(rest.map(({ message }) => message).join(" "), "error");
}
