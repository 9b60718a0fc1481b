/** What the page says of the batches of a parallel run. Pure. */

import { duration, plural } from "../lib/format.js";

/** `0.8`, `12`, `1,200`: batches in a second; of slow ones in a minute or an hour. */
export function rateWords(perSecond) {
  if (!perSecond) return "–";
  if (perSecond >= 0.5) return `${short(perSecond)} per second`;
  return perSecond * 60 >= 0.5 ? `${short(perSecond * 60)} per minute` : `${short(perSecond * 3600)} per hour`;
}

/** The facts above the table, as pairs of a word and its value. */
export function factsOf(batches, isOver) {
  const items = batches.items === "files" ? "file" : "row";
  return [
    ["Done", count(batches.done)],
    ["Failed", count(batches.failed)],
    ["Tried again", count(batches.retried)],
    ["Total", count(batches.total)],
    ["Without a result", batches.items_failed === null ? "–" : plural(batches.items_failed, items)],
    ["Speed", rateWords(batches.per_second)],
    isOver ? ["Took", duration(batches.seconds)] : ["Remaining", batches.remaining_s === null ? "–" : `about ${duration(batches.remaining_s < 9.95 ? Math.ceil(batches.remaining_s) : batches.remaining_s)}`],
  ];
}

/** The bar, in percent. */
export function sharesOf({ total, done, failed }) {
  const share = (part) => (total ? Math.min(100, (100 * (part ?? 0)) / total) : 0);
  return { done: share(done), failed: Math.min(share(failed), 100 - share(done)) };
}

/** A sentence for who can't see the bar, and for the time before there is one. */
export function stateWords(batches, isOver) {
  if (batches.total === null) return isOver ? "It ended before its batches were known." : "Its batches are not known yet: it starts, or splits its input.";
  if (batches.total === 0) return "The input has nothing to split: there were no batches.";
  const over = (batches.done ?? 0) + (batches.failed ?? 0);
  return `${over.toLocaleString("en-US")} of ${plural(batches.total, "batch", "batches")} ${over === 1 ? "is" : "are"} over${batches.failed ? `, ${batches.failed.toLocaleString("en-US")} without success` : ""}.`;
}

/** The cells of a part's row, as text: of the table of nodes. */
export function partWords(part) {
  const over = (part.done ?? 0) + (part.failed ?? 0);
  return {
    node: part.node || "–",
    over: part.total === null ? "–" : `${over.toLocaleString("en-US")} of ${part.total.toLocaleString("en-US")}`,
    failed: count(part.failed),
    speed: rateWords(part.per_second),
    remaining: part.status === "running" && part.remaining_s !== null ? `about ${duration(part.remaining_s)}` : "–",
  };
}

const count = (value) => (value === null ? "–" : value.toLocaleString("en-US"));
const short = (value) => (value < 9.95 ? String(Number(value.toFixed(1))) : Math.round(value).toLocaleString("en-US"));
