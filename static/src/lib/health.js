/** What the studio says of its own parts (`/healthz`), in words for whoever looks at a page. */

/** What each part's silence means for people. In the order in which it is told: what explains the rest comes first. */
const MEANINGS = {
  database: "The database does not answer: nothing can be read or changed until it does. Steps that run go on for some seconds; whatever is lost then is run again.",
  redis: "Redis does not answer: pages hear of nothing new by themselves, and steps start and are cancelled later than usual.",
  broker: "The message broker does not answer: steps start and are cancelled later than usual.",
  control_worker: "The control worker is silent: steps of a lost node are not run again yet, and pools neither grow nor shrink.",
};

/**
 * @param {Record<string, string>|null} parts As `/healthz` answers; null where it did not.
 * @returns {string} One sentence for the part that explains the most; empty where all is well, or nobody knows.
 */
export function whatIsWrong(parts) {
  for (const [part, meaning] of Object.entries(MEANINGS)) {
    if (parts?.[part] && parts[part] !== "ok") return meaning;
  }
  return "";
}

/**
 * Ask again and again, quicker while something is wrong; tell of each change.
 * @param {(words: string) => void} tell
 * @param {{everyMs?: number, againMs?: number}} [pauses]
 */
export function watchHealth(tell, { everyMs = 30_000, againMs = 5_000 } = {}) {
  let told = "";
  async function look() {
    let words = told;
    if (!document.hidden) {
      // A web server that is away is not told here: what is live on a page says so itself.
      const answer = await fetch("/healthz", { headers: { Accept: "application/json" } }).catch(() => null);
      if (answer) words = whatIsWrong(await answer.json().catch(() => null));
    }
    if (words !== told) tell(words);
    told = words;
    setTimeout(look, words ? againMs : everyMs);
  }
  setTimeout(look, 1000);
}
