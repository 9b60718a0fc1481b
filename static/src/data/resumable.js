/** A large file goes up part by part, and on where a connection broke: also after the page was loaded anew. */
import { csrfToken, errorFrom } from "../lib/api.js";

export const LARGE_BYTES = 8_000_000;
const PART_BYTES = 50_000_000; // what a proxy in between lets through, by the same measure as a batch
export const WAITS_MS = [0, 1000, 2000, 5000, 10_000, 20_000];

export class ResumableFile {
  /**
   * @param {string} url Where uploads begin.
   * @param {File} file
   * @param {string} path In the datastore.
   */
  constructor(url, file, path) {
    this.url = url;
    this.file = file;
    this.path = path;
    this.upload = null;
    this.given = false;
    this.broken = false;
    /** @type {Promise<void>} Of one that was given up. */
    this.stopped = new Promise((resolve) => {
      this.stop = resolve;
    });
  }

  /**
   * Resolves when the datastore has the file. Rejects with an ApiError; `send` again goes on from where it stands.
   * @param {(bytes: number) => void} onProgress
   * @param {() => void} onBroken The connection broke, and is tried again.
   */
  async send(onProgress, onBroken) {
    const { Upload } = await import("tus-js-client");
    if (this.given) return;
    const online = () => this.#goOn();
    window.addEventListener("online", online);
    await new Promise((resolve, reject) => {
      this.upload = new Upload(this.file, {
        endpoint: this.url,
        chunkSize: PART_BYTES,
        retryDelays: WAITS_MS,
        metadata: { path: this.path },
        headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
        fingerprint: async (file) => ["studio", this.url, this.path, file.size, file.lastModified].join(" "),
        removeFingerprintOnSuccess: true,
        onProgress: (sent) => {
          this.broken = false;
          onProgress(sent);
        },
        onSuccess: resolve,
        onError: (error) => reject(apiError(error)),
        // A moment without a connection is waited out; what the studio refuses is told at once.
        onShouldRetry: (error) => {
          const status = statusOf(error);
          if (this.given || !([0, 409, 423].includes(status) || (status >= 500 && status !== 507))) return false;
          if (status === 0 || status >= 500) {
            this.broken = true;
            onBroken();
          }
          return true;
        },
        onUploadUrlAvailable: () => this.given && this.#throwAway(),
      });
      this.upload.findPreviousUploads().then((earlier) => {
        if (this.given) return;
        if (earlier.length) this.upload.resumeFromPreviousUpload(earlier[0]);
        this.upload.start();
      }, reject);
    }).finally(() => window.removeEventListener("online", online));
  }

  /** The browser has a connection again: nobody waits for the next try. */
  async #goOn() {
    if (!this.broken || this.given) return;
    await this.upload.abort();
    if (!this.given) this.upload.start();
  }

  /** Stops, and throws away what has arrived: of an upload that is just being made, once the studio says where it is. */
  async giveUp() {
    this.given = true;
    this.stop();
    if (this.upload?.url) await this.#throwAway();
  }

  async #throwAway() {
    await this.upload.abort(true).catch(() => {}); // it goes by itself in some days
  }
}

function statusOf(/** @type {any} */ error) {
  return error.originalResponse?.getStatus() ?? 0;
}

function apiError(/** @type {any} */ error) {
  let body = null;
  try {
    body = JSON.parse(error.originalResponse?.getBody() ?? "");
  } catch {
    // No answer, or one without words: the status says enough.
  }
  return errorFrom(statusOf(error), body);
}
