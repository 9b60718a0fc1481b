/** A picture that can't be drawn (cut off, too large) has the icon of its kind, not the browser's torn one. */

/** @param {HTMLElement} browser Rows that come into it later count, too. */
export function wireThumbnails(browser) {
  browser.addEventListener("error", (event) => markBroken(event.target), true); // it does not bubble
  for (const picture of browser.querySelectorAll("img.thumb")) {
    if (picture instanceof HTMLImageElement && picture.complete && !picture.naturalWidth) markBroken(picture);
  }
}

function markBroken(/** @type {EventTarget|null} */ target) {
  if (target instanceof HTMLImageElement && target.matches(".thumb")) target.classList.add("is-broken");
}
