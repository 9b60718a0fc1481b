/**
 * Where a line of the log lies on the screen.
 *
 * The log is a spacer as high as all of its rows, with only the rows in view in the page. Browsers cap the height of an
 * element (Firefox at 17.9 million px, Chromium at 33.5), so a longer log gets a spacer of `MAX_HEIGHT_PX` and the
 * scroll bar speaks in proportions. Wrapped rows are higher than we can know without drawing them: there too the scroll
 * bar only estimates. The truth is an anchor: line `line`'s upper edge lies `dy` px below the upper edge of the view.
 */

export const MAX_HEIGHT_PX = 16_000_000;

export function spacerHeight(total, rowHeight) {
  return Math.min(total * rowHeight, MAX_HEIGHT_PX);
}

/** Whether a px of the scroll bar is a px of the log. */
export function isExact(total, rowHeight, wrap) {
  return !wrap && total * rowHeight <= MAX_HEIGHT_PX;
}

/** The anchor where the log has been scrolled down by `top` px of rows. */
export function anchorAt(top, rowHeight) {
  const line = Math.max(0, Math.floor(top / rowHeight));
  return { line, dy: line * rowHeight - Math.max(0, top) };
}

/** The anchor for a scroll bar at `scrollTop` of `maxScroll`. */
export function anchorFromScroll({ scrollTop, maxScroll, total, rowHeight, viewport, wrap }) {
  if (maxScroll <= 0) {
    return { line: 0, dy: 0 };
  }
  return anchorAt((scrollTop / maxScroll) * farthest({ total, rowHeight, viewport, wrap }), rowHeight);
}

/** Where the scroll bar stands for an anchor. */
export function scrollFromAnchor({ anchor, maxScroll, total, rowHeight, viewport, wrap }) {
  const span = farthest({ total, rowHeight, viewport, wrap });
  if (span <= 0) {
    return 0;
  }
  const scroll = ((anchor.line * rowHeight - anchor.dy) / span) * maxScroll;
  return Math.min(Math.max(scroll, 0), maxScroll);
}

/** Move the anchor onto the first line in view, with the heights that are known. */
export function normalise({ line, dy }, total, heightOf) {
  while (dy > 0 && line > 0) {
    line -= 1;
    dy -= heightOf(line);
  }
  while (line < total - 1 && dy <= -heightOf(line)) {
    dy += heightOf(line);
    line += 1;
  }
  return { line, dy: line === 0 ? Math.min(dy, 0) : dy };
}

// With wrapped rows the last view begins later than the row count says: leave the scroll bar room to get there.
function farthest({ total, rowHeight, viewport, wrap }) {
  return total * rowHeight - (wrap ? 0 : viewport);
}
