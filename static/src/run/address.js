/** What the address says of the page: which view, which step, which of its tabs, which attempt and line of its log. */

export const VIEWS = ["graph", "timeline", "table", "metrics"];
export const TABS = ["overview", "runs", "trials", "batches", "log", "metrics", "usage", "files", "artifacts", "code", "environment"];

/** Read `?view=&step=&tab=&attempt=#L12`. Anything unknown reads as absent. `line` counts from 0, the address from 1. */
export function readAddress(search, hash) {
  const query = new URLSearchParams(search);
  const attempt = Number(query.get("attempt"));
  const line = /^#L([1-9]\d{0,11})$/.exec(hash ?? "");
  return {
    view: VIEWS.includes(query.get("view")) ? query.get("view") : null,
    step: query.get("step") || null,
    tab: TABS.includes(query.get("tab")) ? query.get("tab") : null,
    attempt: Number.isInteger(attempt) && attempt > 0 ? attempt : null,
    line: line ? Number(line[1]) - 1 : null,
  };
}

/** The same as `?…#…`; empty where nothing is to be said. */
export function writeAddress({ view, step, tab, attempt, line }) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries({ view, step, tab, attempt })) {
    if (value) {
      query.set(name, value);
    }
  }
  const text = query.toString();
  return (text ? `?${text}` : "") + (line === null || line === undefined ? "" : `#L${line + 1}`);
}
