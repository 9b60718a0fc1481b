/** The text of a line as it is shown: decided here, drawn elsewhere. */

/** What a terminal would show of a line that a progress bar rewrote: the last state only. */
export function lastState(text) {
  const trimmed = text.replace(/\r+$/, "");
  return trimmed.slice(trimmed.lastIndexOf("\r") + 1);
}

/** Control characters made visible, but for the tab and what begins a colour. */
export function visible(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/[\u0000-\u0008\u000b-\u001a\u001c-\u001f]/g, (char) =>
    String.fromCharCode(0x2400 + char.charCodeAt(0)),
  );
}

/** The text without the sequences that set titles and links: their visible part stays. */
export function withoutOsc(text) {
  // eslint-disable-next-line no-control-regex
  return text.replace(/\u001b\][^\u0007\u001b]*(?:\u0007|\u001b\\)/g, "");
}

/** The text without any escape sequence. */
export function plain(text) {
  // eslint-disable-next-line no-control-regex
  return withoutOsc(text).replace(/\u001b(?:\[[0-?]*[ -/]*[@-~]|[@-Z\\-_])/g, "");
}

/** Where `needle` occurs in `text`, whatever the case: `[[start, end], …]`, at most `most`. */
export function occurrences(text, needle, most = 200) {
  if (!needle) {
    return [];
  }
  const haystack = text.toLowerCase();
  const wanted = needle.toLowerCase();
  // A letter that changes its length with its case (İ) would shift every position after it.
  if (haystack.length !== text.length || wanted.length !== needle.length) {
    return [];
  }
  const found = [];
  for (let at = haystack.indexOf(wanted); at !== -1 && found.length < most; at = haystack.indexOf(wanted, at + wanted.length)) {
    found.push([at, at + wanted.length]);
  }
  return found;
}
