/**
 * The one status palette: what a status is called, which shape it has, and the CSS class that colours it.
 *
 * The table is `statuses.json`, which the server's templates read as well, so that a badge drawn by either looks alike.
 */
import statuses from "./statuses.json" with { type: "json" };

/**
 * @typedef {object} Status
 * @property {string} word What a person reads.
 * @property {string} icon Name of the Tabler icon.
 * @property {"idle"|"pending"|"active"|"good"|"bad"|"warning"} tone
 * @property {string} className `status status-<name> tone-<tone>`; set it on the element that is to be coloured.
 */

const TERMINAL = new Set(["completed", "failed", "skipped", "cancelled", "not_taken"]);

/**
 * @param {string} name As the API says it. One that is not known yet is shown by its own name.
 * @returns {Status}
 */
export function statusOf(name) {
  const known = Object.hasOwn(statuses, name) ? statuses[name] : null;
  const entry = known ?? { word: name, icon: "help-circle", tone: "idle" };
  return { ...entry, className: `status status-${known ? name : "unknown"} tone-${entry.tone}` };
}

/**
 * @param {string} name
 * @returns {boolean} Whether nothing follows.
 */
export function isTerminal(name) {
  return TERMINAL.has(name);
}

/** Every name that the palette knows. */
export const STATUS_NAMES = Object.freeze(Object.keys(statuses));

/** The address of the icon sprite; the page says it, because its name may carry a hash. */
function spriteUrl() {
  return document.documentElement.dataset.icons ?? "/static/studio/icons.svg";
}

/**
 * An icon of the sprite. Decorative: the text beside it says what it means.
 * @param {string} name One of icons.txt.
 * @param {string} [className]
 * @returns {SVGSVGElement}
 */
export function icon(name, className = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `icon ${className}`.trim());
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${spriteUrl()}#${name}`);
  svg.append(use);
  return svg;
}

/**
 * The same badge as `components/status_badge.html` draws.
 * @param {string} name
 * @returns {HTMLSpanElement}
 */
export function statusBadge(name) {
  const status = statusOf(name);
  const badge = document.createElement("span");
  badge.className = status.className;
  const word = document.createElement("span");
  word.textContent = status.word;
  badge.append(icon(status.icon), word);
  return badge;
}
