/** Sends small files batch by batch and large ones part by part, and tells how far it is. Knows no page. */
import { csrfToken, errorFrom } from "../lib/api.js";
import { batchesOf, sizeOf } from "./batches.js";
import { LARGE_BYTES, ResumableFile, WAITS_MS } from "./resumable.js";

/**
 * @typedef {{path: string, file: File}} Item
 * @typedef {{path: string, message: string}} Refused
 * @typedef {object} Progress
 * @property {number} files Sent so far.
 * @property {number} filesTotal
 * @property {number} bytes
 * @property {number} bytesTotal
 * @property {Refused[]} refused
 * @property {boolean} broken Nothing moves: the studio did not answer, and is asked again.
 */

export class Uploader {
  /**
   * @param {string} url For batches.
   * @param {string} largeUrl For large files, where they begin.
   * @param {{onProgress: (progress: Progress) => void}} options
   */
  constructor(url, largeUrl, { onProgress }) {
    this.url = url;
    this.largeUrl = largeUrl;
    this.onProgress = onProgress;
    /** @type {XMLHttpRequest|null} */
    this.request = null;
    /** @type {ResumableFile|null} */
    this.large = null;
    this.cancelled = false;
    this.wake = () => {}; // ends a pause
    this.left = /** @type {Item[][]} */ ([]);
    this.folder = "";
    this.progress = this.#none([]);
    this.sent = 0; // of the batch or file that is under way
  }

  /**
   * Resolves when all are sent. Rejects with an ApiError where the studio does not take them; `resume()` goes on there.
   * @param {Item[]} items
   * @param {string} folder
   */
  async send(items, folder) {
    this.folder = folder;
    const isLarge = (item) => item.file.size > LARGE_BYTES;
    this.left = [...batchesOf(items.filter((item) => !isLarge(item))), ...items.filter(isLarge).map((item) => [item])];
    this.progress = this.#none(items);
    return this.resume();
  }

  /** @returns {Progress} */
  #none(items) {
    return { files: 0, filesTotal: items.length, bytes: 0, bytesTotal: sizeOf(items), refused: [], broken: false };
  }

  async resume() {
    this.cancelled = false;
    this.onProgress(this.progress);
    while (this.left.length && !this.cancelled) {
      const batch = this.left[0];
      this.sent = 0;
      const answer = batch[0].file.size > LARGE_BYTES ? await this.#sendLarge(batch[0]) : await this.#sendBatch(batch);
      if (this.cancelled) return;
      this.left.shift();
      this.progress.files += batch.length;
      this.progress.bytes += sizeOf(batch);
      this.progress.refused.push(...answer.refused);
      this.onProgress(this.progress);
    }
  }

  cancel() {
    this.cancelled = true;
    this.wake();
    this.request?.abort();
    this.large?.giveUp();
  }

  /** What the studio says about this file does not stop the others. */
  async #sendLarge({ path, file }) {
    this.large = new ResumableFile(this.largeUrl, file, this.folder ? `${this.folder}/${path}` : path);
    try {
      await Promise.race([
        this.large.send(
          (sent) => this.#tell(sent),
          () => this.#tellBroken(),
        ),
        this.large.stopped,
      ]);
    } catch (/** @type {any} */ error) {
      if (this.cancelled) return { refused: [] };
      if (![400, 404, 409, 413].includes(error.status)) throw error;
      return { refused: [{ path, message: error.detail }] };
    } finally {
      this.large = null;
    }
    return { refused: [] };
  }

  /** A batch that gets no answer, or a server's failure, is sent again: what was kept is just replaced. */
  async #sendBatch(batch) {
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#post(batch);
      } catch (/** @type {any} */ error) {
        const passing = error.status === 0 || (error.status >= 500 && error.status !== 507);
        if (this.cancelled) return { refused: [] };
        if (!passing || attempt === WAITS_MS.length) throw error;
        this.#tellBroken();
        await this.#pause(WAITS_MS[attempt]);
        if (this.cancelled) return { refused: [] };
      }
    }
  }

  #tell(sent) {
    this.sent = sent;
    this.onProgress({ ...this.progress, bytes: this.progress.bytes + sent });
  }

  #tellBroken() {
    this.onProgress({ ...this.progress, bytes: this.progress.bytes + this.sent, broken: true });
  }

  /** So long, or until the browser has a connection again, or the upload is cancelled. */
  #pause(wait_ms) {
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.wake(), wait_ms);
      this.wake = () => {
        clearTimeout(timer);
        window.removeEventListener("online", this.wake);
        resolve(undefined);
      };
      window.addEventListener("online", this.wake);
    });
  }

  #post(batch) {
    const body = new FormData();
    body.append("folder", this.folder);
    // A plain field would have its line breaks rewritten, and a part's own file name loses half of its characters.
    body.append("paths_json", JSON.stringify(batch.map((item) => item.path)));
    for (const item of batch) body.append("files", item.file, "file");
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest(); // fetch does not say how much of a body is sent
      this.request = request;
      request.open("POST", this.url);
      request.responseType = "text";
      request.setRequestHeader("X-CSRFToken", csrfToken());
      request.setRequestHeader("Accept", "application/json");
      request.upload.addEventListener("progress", (event) => {
        this.#tell(Math.min(event.loaded, sizeOf(batch)));
      });
      request.addEventListener("load", () => {
        let answer = null;
        try {
          answer = JSON.parse(request.responseText);
        } catch {
          // A page instead of JSON: the status says enough.
        }
        if (request.status >= 200 && request.status < 300 && answer) resolve(answer);
        else reject(errorFrom(request.status, answer));
      });
      for (const name of ["error", "abort", "timeout"]) {
        request.addEventListener(name, () => reject(errorFrom(0, null)));
      }
      request.send(body);
    });
  }
}
