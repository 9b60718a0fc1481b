/** Which commit a source folder is of, as its upload said: a line, and the uncommitted changes on request. */

import { h } from "../graph/dom.js";
import { icon } from "./status.js";
import { toast } from "./toast.js";

const SHORT = 10;

/**
 * @typedef {{repository: string, branch: string, commit: string, dirty: boolean|null, diff: string, diff_note: string, source: string}} GitFacts
 * @param {GitFacts} git
 * @param {{editedSince: boolean, changesUrl: (digest: string) => string}} options
 */
export function gitFacts(git, { editedSince, changesUrl }) {
  const facts = [
    git.commit
      ? h("span", {}, "Commit ", h("code", { title: git.commit, text: git.commit.slice(0, SHORT) }), copyButton(git.commit))
      : h("span", { text: "No commit yet" }),
    git.branch && h("span", {}, "on ", h("span", { class: "git-facts__name", text: git.branch })),
    git.repository && h("span", {}, "of ", repositoryWords(git.repository)),
    git.dirty && h("span", { class: "tag", text: "with uncommitted changes" }),
    editedSince && h("span", { class: "tag", title: "The files are no longer those that this was said of", text: "edited here since" }),
  ];
  return h(
    "section",
    { class: "git-facts", "aria-label": "Where the files come from" },
    h("div", { class: "git-facts__line" }, icon("git-commit"), ...facts),
    git.dirty === null && !git.diff_note && h("p", { class: "muted", text: "Whether there were uncommitted changes is not known: a browser can't tell." }),
    git.diff_note && h("p", { class: "muted", text: git.diff_note }),
    git.diff && changes(changesUrl(git.diff)),
  );
}

/** Only what a browser can go to is a link: an address is what somebody typed. */
function repositoryWords(address) {
  if (!/^https?:\/\//.test(address)) return h("span", { class: "git-facts__name", text: address });
  return h("a", { class: "git-facts__name", href: address, rel: "noopener noreferrer", target: "_blank", text: address.replace(/^https?:\/\//, "") });
}

function copyButton(commit) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(commit);
      toast("Copied.", "success");
    } catch {
      toast("The browser does not let this page copy. Its whole name is shown when you point at it.", "error");
    }
  };
  return h("button", { class: "icon-button", type: "button", title: "Copy the commit", "aria-label": "Copy the commit", on: { click: copy } }, icon("copy"));
}

/** Read when somebody opens it. */
function changes(url) {
  const body = h("div", { "aria-live": "polite" });
  let isRead = false;
  const read = async () => {
    if (!details.open || isRead) return;
    isRead = true;
    body.replaceChildren(h("p", { class: "muted", text: "Reading the changes…" }));
    try {
      const response = await fetch(url, { credentials: "same-origin" });
      if (!response.ok) throw new Error(`The changes could not be read (${response.status}). Close and open this to try again.`);
      body.innerHTML = await response.text(); // drawn and escaped by the server
    } catch (error) {
      isRead = false;
      body.replaceChildren(h("p", { class: "field-error", text: /** @type {Error} */ (error).message }));
    }
  };
  const details = h("details", { on: { toggle: read } }, h("summary", { text: "Uncommitted changes" }), body);
  return details;
}
