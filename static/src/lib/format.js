/** Numbers and times as people read them. Pure; the server's template filters of the same names agree with it. */

/**
 * A stretch of time, in at most two units: `0.4 s`, `12 s`, `3 min 4 s`, `2 h 5 min`, `3 d 4 h`.
 * @param {number|null|undefined} seconds
 * @returns {string} "–" where there is none.
 */
export function duration(seconds) {
  if (seconds === null || seconds === undefined || Number.isNaN(seconds)) return "–";
  const s = Math.max(0, seconds);
  if (s < 9.95) return `${s.toFixed(1)} s`;
  const whole = Math.round(s);
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return two(Math.floor(whole / 60), "min", whole % 60, "s");
  if (whole < 86400) return two(Math.floor(whole / 3600), "h", Math.floor((whole % 3600) / 60), "min");
  return two(Math.floor(whole / 86400), "d", Math.floor((whole % 86400) / 3600), "h");
}

function two(large, largeUnit, small, smallUnit) {
  return small ? `${large} ${largeUnit} ${small} ${smallUnit}` : `${large} ${largeUnit}`;
}

/**
 * Time between two instants; until `now` where the second is missing.
 * @param {string|null} start ISO
 * @param {string|null} [end] ISO
 * @param {number} [now] Milliseconds.
 * @returns {number|null} Seconds.
 */
export function secondsBetween(start, end = null, now = Date.now()) {
  if (!start) return null;
  return Math.max(0, ((end ? Date.parse(end) : now) - Date.parse(start)) / 1000);
}

const SIZE_UNITS = ["B", "KB", "MB", "GB", "TB", "PB"];

/**
 * A size in bytes, in powers of 1000 as disks and object stores count: `0 B`, `999 B`, `1.5 KB`, `240 MB`.
 * @param {number|null|undefined} bytes
 * @returns {string}
 */
export function fileSize(bytes) {
  if (bytes === null || bytes === undefined || Number.isNaN(bytes)) return "–";
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < SIZE_UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit > 0 && value < 9.95 ? value.toFixed(1) : Math.round(value)} ${SIZE_UNITS[unit]}`;
}

const LONG_AGO_S = 30 * 86400;

/**
 * How long ago, or how far ahead: `just now`, `12 s ago`, `5 min ago`, `in 2 h`, and a date beyond 30 days.
 * @param {string|Date|null} instant
 * @param {number} [now] Milliseconds.
 * @returns {string}
 */
export function relativeTime(instant, now = Date.now()) {
  if (!instant) return "–";
  const then = new Date(instant);
  const seconds = (now - then.getTime()) / 1000;
  const distance = Math.abs(seconds);
  if (distance < 5) return "just now";
  if (distance >= LONG_AGO_S) {
    return then.toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  }
  const amount =
    distance < 60
      ? `${Math.floor(distance)} s`
      : distance < 3600
        ? `${Math.floor(distance / 60)} min`
        : distance < 86400
          ? `${Math.floor(distance / 3600)} h`
          : `${Math.floor(distance / 86400)} d`;
  return seconds >= 0 ? `${amount} ago` : `in ${amount}`;
}

// Made once: each call of toLocaleString makes its own, which costs more than the rest of a row.
const ABSOLUTE = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" });

/**
 * The full instant in the reader's own zone, as in `22 Nov 2026, 18:40:05`.
 * @param {string|Date|null} instant
 * @returns {string}
 */
export function absoluteTime(instant) {
  if (!instant) return "";
  return ABSOLUTE.format(new Date(instant));
}

/**
 * @param {number} count
 * @param {string} one
 * @param {string} [many]
 * @returns {string} `1 run`, `1,204 runs`
 */
export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
