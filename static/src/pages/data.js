// The pages of datastores: uploads, and the selection.
import { wireCountedDeletes } from "../data/deleting.js";
import { chosenFiles, droppedFiles } from "../data/dropped.js";
import { wireKindForm } from "../data/kind-form.js";
import { wireNodeTest } from "../data/node-test.js";
import { wireSelection } from "../data/selection.js";
import { wireThumbnails } from "../data/thumbnails.js";
import { UploadPanel } from "../data/upload-panel.js";
import { toast } from "../lib/toast.js";

const browser = document.querySelector("[data-browser]");
if (browser instanceof HTMLElement) {
  if (browser.dataset.uploadUrl) wireUploads(browser);
  wireSelection(browser);
  wireCountedDeletes(browser);
  wireThumbnails(browser);
}

const kindForm = document.querySelector("[data-kind-form]");
if (kindForm instanceof HTMLFormElement) wireKindForm(kindForm);
const nodeTest = document.querySelector("[data-node-test]");
if (nodeTest instanceof HTMLElement) wireNodeTest(nodeTest);

function wireUploads(/** @type {HTMLElement} */ page) {
  const panel = new UploadPanel(page.querySelector("[data-upload]"), {
    url: page.dataset.uploadUrl,
    largeUrl: page.dataset.uploadsUrl,
    folder: page.dataset.folder,
    onChange: () => document.querySelector("#listing")?.dispatchEvent(new CustomEvent("studio:refresh")),
  });
  const veil = /** @type {HTMLElement} */ (page.querySelector("[data-drop-veil]"));

  document.addEventListener("click", (event) => {
    const button = event.target instanceof Element ? event.target.closest("[data-choose]") : null;
    if (!(button instanceof HTMLElement)) return;
    const input = page.querySelector(`[data-input="${button.dataset.choose}"]`);
    if (input instanceof HTMLInputElement) input.click();
    const menu = button.closest("details");
    if (menu) menu.open = false;
  });
  for (const input of page.querySelectorAll("[data-input]")) {
    input.addEventListener("change", () => {
      if (!(input instanceof HTMLInputElement)) return;
      panel.add(chosenFiles(input.files));
      input.value = ""; // the same file can be chosen again
    });
  }

  // Dragging over a child leaves its parent: the depth tells when the pointer is really gone.
  let depth = 0;
  const hasFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const show = (by) => {
    depth = Math.max(0, depth + by);
    veil.hidden = depth === 0;
  };
  document.addEventListener("dragenter", (event) => hasFiles(event) && show(1));
  document.addEventListener("dragleave", (event) => hasFiles(event) && show(-1));
  document.addEventListener("dragover", (event) => {
    if (hasFiles(event)) event.preventDefault();
  });
  document.addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    show(-depth);
    try {
      panel.add(await droppedFiles(event.dataTransfer));
    } catch {
      toast("The browser could not read what was dropped. Choose the files with the Upload button.", "error");
    }
  });
}
