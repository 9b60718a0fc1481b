// Every page: menus, the drawer on phones, the theme, confirmations, toasts, and times that keep telling the truth.
import "htmx.org";

import { csrfToken } from "../lib/api.js";
import { sendToApi } from "../lib/api_form.js";
import "../lib/copying.js";
import { absoluteTime, duration, relativeTime, secondsBetween } from "../lib/format.js";
import { watchHealth } from "../lib/health.js";
import { settle, toast } from "../lib/toast.js";

const body = document.body;

// --- Menus: native <details>, closed by a click elsewhere or Escape -------------------------------------------------
function closeMenus(except = null) {
  for (const menu of document.querySelectorAll("details[data-menu][open]")) {
    if (menu !== except && menu instanceof HTMLDetailsElement) menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  closeMenus(target?.closest("details[data-menu]") ?? null);
  if (target?.closest("[data-nav-toggle]")) setNav(!body.classList.contains("nav-open"));
  else if (target?.closest("[data-nav-close]")) setNav(false);
  if (target?.closest("[data-theme-toggle]")) {
    const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
    document.dispatchEvent(new CustomEvent("studio:choose-theme", { detail: next }));
  }
  target?.closest("[data-dismiss-toast]")?.closest(".toast-note")?.remove();
  const opener = target?.closest("[data-open-dialog]");
  if (opener instanceof HTMLElement) {
    const dialog = document.getElementById(opener.dataset.openDialog);
    if (dialog instanceof HTMLDialogElement) dialog.showModal();
  }
  const closer = target?.closest("[data-close-dialog]");
  closer?.closest("dialog")?.close();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    const open = document.querySelector("details[data-menu][open]");
    if (open instanceof HTMLDetailsElement) {
      open.open = false;
      open.querySelector("summary")?.focus();
    } else if (body.classList.contains("nav-open")) setNav(false);
  }
  const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const search = document.querySelector("[data-search]");
    if (search instanceof HTMLElement) {
      event.preventDefault();
      search.focus();
    }
  }
});

function setNav(open) {
  body.classList.toggle("nav-open", open);
  const backdrop = document.querySelector(".backdrop");
  if (backdrop instanceof HTMLElement) backdrop.hidden = !open;
  const toggle = document.querySelector("[data-nav-toggle]");
  toggle?.setAttribute("aria-expanded", String(open));
  const first = document.querySelector("#nav summary, #nav a[href]");
  if (open && first instanceof HTMLElement) first.focus();
  else if (!open && document.activeElement?.closest("#nav") && toggle instanceof HTMLElement) toggle.focus();
}

// --- Confirmations: <form data-confirm="What will happen" data-confirm-verb="Delete"> ----------------------------------
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!(form instanceof HTMLFormElement)) return;
  const asked = event.submitter?.closest("[data-confirm]") ?? (form.matches("[data-confirm]") ? form : null);
  if (!(asked instanceof HTMLElement) || form.dataset.confirmed === "yes") {
    delete form.dataset.confirmed;
    if (form.dataset.api) {
      event.preventDefault();
      sendToApi(form);
    }
    return;
  }
  event.preventDefault();
  event.stopImmediatePropagation();
  confirmWith(asked.dataset).then((yes) => {
    if (!yes) return;
    form.dataset.confirmed = "yes";
    form.requestSubmit(event.submitter ?? undefined);
  });
}, true);

document.addEventListener("change", (event) => {
  const form = event.target instanceof Element ? event.target.closest("form[data-submit-on-change]") : null;
  if (form instanceof HTMLFormElement) form.requestSubmit();
});

/** Ask in the page's one dialog. */
function confirmWith(/** @type {DOMStringMap} */ { confirm, confirmTitle = "Are you sure?", confirmVerb = "Delete", confirmKeep = "Keep it" }) {
  const dialog = document.querySelector("#confirm");
  if (!(dialog instanceof HTMLDialogElement)) return Promise.resolve(window.confirm(confirm));
  dialog.querySelector("h2").textContent = confirmTitle;
  dialog.querySelector("[data-confirm-text]").textContent = confirm;
  dialog.querySelector("[data-confirm-yes]").textContent = confirmVerb;
  dialog.querySelector("[value=no]").textContent = confirmKeep;
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

// --- htmx: the CSRF token with every change, and a word when something goes wrong --------------------------------------
document.addEventListener("htmx:configRequest", (event) => {
  if (event instanceof CustomEvent) event.detail.headers["X-CSRFToken"] = csrfToken();
});
document.addEventListener("htmx:responseError", (event) => {
  if (!(event instanceof CustomEvent) || event.detail.elt?.closest("[data-live]")) return;
  const status = event.detail.xhr.status;
  toast(
    status === 403 ? "Your role in this workspace does not allow this. Ask an owner of it."
      : status === 404 ? "This is not there any more. Reload the page."
        : "The studio could not do this. Try again.",
    "error",
  );
});
document.addEventListener("htmx:sendError", (event) => {
  if (event instanceof CustomEvent && event.detail.elt?.closest("[data-live]")) return;
  toast("The studio does not answer. Check your connection, then try again.", "error");
});

// --- Times ------------------------------------------------------------------------------------------------------------
function tellTimes(/** @type {ParentNode} */ root = document) {
  for (const time of root.querySelectorAll("time[data-relative]")) {
    const instant = time.getAttribute("datetime");
    const words = relativeTime(instant);
    if (time.textContent !== words) time.textContent = words;
    time.setAttribute("title", absoluteTime(instant));
  }
}

function tick() {
  for (const element of document.querySelectorAll("[data-since]")) {
    const words = duration(Math.floor(secondsBetween(element.getAttribute("data-since"))));
    if (element.textContent !== words) element.textContent = words;
  }
}

tellTimes();
setInterval(() => {
  if (document.hidden) return;
  tick();
  tellTimes();
}, 1000);
// htmx says so once for each element that came in: hundreds of rows must not each tell the times of all.
for (const drawn of ["htmx:afterSwap", "studio:drawn"]) {
  document.addEventListener(drawn, (event) => tellTimes(event.target instanceof Element ? event.target : document));
}

for (const note of document.querySelectorAll("[data-toast]")) settle(note);

// --- The studio's own health: said once, and that it is over; whoever is not signed in has nothing to lose ------------
if (document.querySelector("#nav [data-menu]")) {
  /** @type {HTMLElement|null} */
  let trouble = null;
  watchHealth((words) => {
    trouble?.remove();
    if (!words && trouble) toast("All parts of the studio answer again.", "success");
    trouble = words ? toast(words, "error") : null;
  });
}
