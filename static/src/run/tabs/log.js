/** A step's log, live. */

import { api } from "../../lib/api.js";
import { LogView } from "../../log/log_view.js";

const WAITING = {
  waiting: "This step waits for the steps that it reads from. Its log appears here as soon as it starts.",
  queued: "This step waits for a free slot. Its log appears here as soon as it starts.",
  preparing: "The step is being prepared. Nothing has been printed yet.",
  skipped: "This step was skipped: it never ran, so it has no log.",
  cancelled: "This step was cancelled before it ran, so it has no log.",
  failed: "This step failed before it ran, so it has no log.",
};

export class LogTab {
  constructor(root, context) {
    this.root = root;
    this.context = context;
    const base = `${context.urls.step(context.name)}log/`;
    this.view = new LogView(
      root,
      {
        page: ({ attempt, start, count, signal }) => api.get(`${base}?${query({ attempt, start, count })}`, { signal }),
        search: ({ attempt, q, from, direction, signal }) => api.get(`${base}search/?${query({ attempt, q, from, direction })}`, { signal }),
        stream: ({ attempt, stream, before, signal }) => api.get(`${base}stream/?${query({ attempt, stream, before })}`, { signal }),
        downloadUrl: (attempt, stream) => `${base}${stream ? "stream/" : ""}download/?${query({ attempt, stream: stream || null })}`,
      },
      {
        label: `Log of ${context.name}`,
        onAddress: (where) => context.address(where),
        waiting: () => {
          const step = context.store.step(context.name);
          return step.reused_from
            ? `This step did not run: its result was reused from run ${step.reused_from}, where its log is.`
            : (WAITING[step.status] ?? "Nothing has been printed yet.");
        },
      },
    );
  }

  show({ attempt = null, line = null } = {}) {
    this.context.watchLog(this.context.name);
    this.view.open({ attempt, line });
  }

  /** The step moved: what an empty log says may have changed, and a log that was not there may be. */
  draw() {
    this.view.refresh();
  }

  hear(message) {
    this.view.grew(message);
  }

  focusSearch() {
    this.view.focusSearch();
  }

  focus() {
    this.view.focus();
  }

  destroy() {
    this.context.watchLog(null);
    this.view.destroy();
  }
}

function query(values) {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  return new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
}
