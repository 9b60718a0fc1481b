/** The panel above a folder's files that shows an upload: how far it is, what was refused, and how to go on. */
import { fileSize, plural } from "../lib/format.js";
import { Uploader } from "./uploader.js";

const REFUSED_SHOWN = 200;

export class UploadPanel {
  /**
   * @param {HTMLElement} element
   * @param {{url: string, largeUrl: string, folder: string, onChange: () => void}} options
   */
  constructor(element, { url, largeUrl, folder, onChange }) {
    this.element = element;
    this.folder = folder;
    this.onChange = onChange;
    this.waiting = /** @type {import("./uploader.js").Item[]} */ ([]);
    this.busy = false;
    this.refusedShown = 0;
    this.uploader = new Uploader(url, largeUrl, { onProgress: (progress) => this.#show(progress) });
    this.part = (name) => /** @type {HTMLElement} */ (element.querySelector(`[data-upload-${name}]`));
    this.part("cancel").addEventListener("click", () => this.#cancel());
    this.part("retry").addEventListener("click", () => this.#run(() => this.uploader.resume()));
    this.part("close").addEventListener("click", () => {
      element.hidden = true;
    });
    window.addEventListener("beforeunload", (event) => {
      if (this.busy) event.preventDefault();
    });
  }

  /** @param {import("./uploader.js").Item[]} items What is added while an upload runs is sent after it. */
  add(items) {
    if (!items.length) return;
    if (this.busy) {
      this.waiting.push(...items);
      return;
    }
    this.refusedShown = 0;
    this.element.querySelector(".upload-refused").replaceChildren();
    this.part("refused").hidden = true;
    this.#run(() => this.uploader.send(items, this.folder));
  }

  async #run(work) {
    this.busy = true;
    this.#state("busy");
    try {
      await work();
      this.#state("done");
      this.#tellEnd();
    } catch (/** @type {any} */ error) {
      this.#state("stopped");
      this.part("words").textContent = error.detail ?? "The upload stopped.";
    }
    this.busy = false;
    this.onChange();
    if (this.element.dataset.state === "done" && this.waiting.length) this.add(this.waiting.splice(0));
  }

  #cancel() {
    this.waiting = [];
    if (this.busy) this.uploader.cancel();
    else this.element.hidden = true;
  }

  #state(state) {
    this.element.hidden = false;
    this.element.dataset.state = state;
    this.part("retry").hidden = state !== "stopped";
    this.part("cancel").hidden = state === "done";
    this.part("close").hidden = state !== "done";
  }

  #show(progress) {
    const { files, filesTotal, bytes, bytesTotal, refused, broken } = progress;
    this.part("words").textContent = broken
      ? "The studio does not answer. It is asked again, and the upload goes on from here"
      : `Uploading ${Math.min(files + 1, filesTotal).toLocaleString("en-US")} of ${plural(filesTotal, "file")}`;
    this.part("bytes").textContent = `${fileSize(bytes)} of ${fileSize(bytesTotal)}`;
    const bar = /** @type {HTMLProgressElement} */ (this.part("progress"));
    bar.value = bytesTotal ? bytes / bytesTotal : files / Math.max(1, filesTotal);
    this.#showRefused(refused);
  }

  #showRefused(refused) {
    const list = this.element.querySelector(".upload-refused");
    for (; this.refusedShown < refused.length; this.refusedShown += 1) {
      if (this.refusedShown >= REFUSED_SHOWN) continue;
      const { path, message } = refused[this.refusedShown];
      const row = document.createElement("li");
      const name = document.createElement("span");
      name.className = "name truncate";
      name.textContent = name.title = path;
      row.append(name, message);
      list.append(row);
    }
    this.part("refused").hidden = !refused.length;
    const beyond = refused.length > REFUSED_SHOWN ? ` (the first ${REFUSED_SHOWN} are listed)` : "";
    this.part("refused-title").textContent = `${plural(refused.length, "file was", "files were")} refused${beyond}`;
  }

  #tellEnd() {
    const { files, filesTotal, bytesTotal, refused } = this.uploader.progress;
    const kept = files - refused.length;
    this.part("words").textContent = this.uploader.cancelled
      ? `Cancelled: ${plural(kept, "file is", "files are")} uploaded, ${plural(filesTotal - files, "file is", "files are")} not`
      : `${plural(kept, "file")} uploaded`;
    this.part("bytes").textContent = this.uploader.cancelled ? "" : fileSize(bytesTotal);
  }
}
