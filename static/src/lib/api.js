/** The studio's own REST interface, from the browser: same origin, session cookie, CSRF header. */

/**
 * @typedef {{loc: (string|number)[], message: string}} Problem
 */

/** An answer that is not a success. `problems` name the fields; `body` is everything the server said. */
export class ApiError extends Error {
  /**
   * @param {number} status HTTP status; 0 where no answer came.
   * @param {string} detail A sentence for people.
   * @param {Problem[]} [problems]
   * @param {any} [body]
   */
  constructor(status, detail, problems = [], body = null) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
    this.detail = detail;
    this.problems = problems;
    this.body = body;
  }
}

/**
 * What went wrong, from the answer's status and body.
 * @param {number} status
 * @param {any} body Parsed JSON, or null.
 * @returns {ApiError}
 */
export function errorFrom(status, body) {
  const problems = Array.isArray(body?.problems) ? body.problems : fieldProblems(body);
  const detail = typeof body?.detail === "string" && body.detail ? body.detail : sentenceFor(status, problems);
  return new ApiError(status, detail, problems, body);
}

/** Django REST framework's own `{"field": ["message"]}` as problems. */
function fieldProblems(body) {
  if (!body || typeof body !== "object" || Array.isArray(body)) return [];
  return Object.entries(body)
    .filter(([, messages]) => Array.isArray(messages) && messages.every((message) => typeof message === "string"))
    .flatMap(([field, messages]) =>
      messages.map((message) => ({ loc: field === "non_field_errors" ? [] : [field], message })),
    );
}

function sentenceFor(status, problems) {
  if (problems.length) return problems.map((problem) => problem.message).join(" ");
  if (status === 0) return "The studio does not answer. Check your connection, then try again.";
  if (status === 401) return "You are signed out. Sign in again in another tab, then repeat this.";
  if (status === 403) return "Your role in this workspace does not allow this. Ask an owner of it.";
  if (status === 404) return "This is not there any more. Reload the page.";
  if (status === 413) return "This is larger than the studio accepts.";
  if (status >= 500) return "The studio failed at this. Try again; the server's log says why.";
  return `The studio refused this (${status}).`;
}

/** The token that Django wants back with every change. */
export function csrfToken() {
  return document.querySelector('meta[name="csrf-token"]')?.getAttribute("content") ?? "";
}

/**
 * @param {string} method
 * @param {string} path
 * @param {any} [body] Sent as JSON, or as it is where it is FormData.
 * @param {{signal?: AbortSignal}} [options]
 * @returns {Promise<any>} The parsed answer; null where it has no body.
 */
async function request(method, path, body, { signal } = {}) {
  const headers = { Accept: "application/json" };
  if (method !== "GET") headers["X-CSRFToken"] = csrfToken();
  let payload;
  if (body instanceof FormData) payload = body;
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    payload = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch(path, { method, headers, body: payload, signal, credentials: "same-origin" });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw errorFrom(0, null);
  }
  const text = await response.text();
  let parsed = null;
  try {
    parsed = text ? JSON.parse(text) : null;
  } catch {
    // A page instead of JSON: the status says enough.
  }
  if (!response.ok) throw errorFrom(response.status, parsed);
  return parsed;
}

export const api = {
  /** @param {string} path @param {{signal?: AbortSignal}} [options] */
  get: (path, options) => request("GET", path, undefined, options),
  /** @param {string} path @param {any} [body] @param {{signal?: AbortSignal}} [options] */
  post: (path, body, options) => request("POST", path, body, options),
  /** @param {string} path @param {any} [body] @param {{signal?: AbortSignal}} [options] */
  patch: (path, body, options) => request("PATCH", path, body, options),
  /** @param {string} path @param {any} [body] @param {{signal?: AbortSignal}} [options] */
  put: (path, body, options) => request("PUT", path, body, options),
  /** @param {string} path @param {any} [body] @param {{signal?: AbortSignal}} [options] */
  delete: (path, body, options) => request("DELETE", path, body, options),
};

/**
 * Have the browser save what `path` answers with.
 * @param {string} path
 * @returns {Promise<void>} Rejected with the server's sentence where it refuses: a page of it would help nobody.
 */
export async function save(path) {
  const asking = new AbortController();
  let response;
  try {
    response = await fetch(path, { headers: { Accept: "application/json" }, credentials: "same-origin", signal: asking.signal });
  } catch {
    throw errorFrom(0, null);
  }
  if (!response.ok) throw errorFrom(response.status, await response.json().catch(() => null));
  asking.abort(); // the browser asks again, and writes to a file what comes
  location.assign(path);
}
