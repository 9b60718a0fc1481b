/** The pan and zoom of a plane, as numbers. A viewport is `{x, y, zoom}`: screen = plane · zoom + (x, y). */

export const ZOOM_MIN = 0.02;
export const ZOOM_MAX = 2;
const FIT_ZOOM_MAX = 1; // a small graph is not blown up

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The viewport after zooming by `factor` with the point (`x`, `y`) of the screen standing still. */
export function zoomedAt(viewport, factor, x, y) {
  const zoom = clamp(viewport.zoom * factor, ZOOM_MIN, ZOOM_MAX);
  const ratio = zoom / viewport.zoom;
  return { zoom, x: x - (x - viewport.x) * ratio, y: y - (y - viewport.y) * ratio };
}

/**
 * The viewport that shows `box` in a screen of `width` × `height`, centred. A box that is taller than can be read keeps
 * its zoom above `readable` and shows its top.
 */
export function fitted(box, width, height, { margin = 32, readable = 0 } = {}) {
  const free = { width: Math.max(1, width - 2 * margin), height: Math.max(1, height - 2 * margin) };
  const whole = Math.min(free.width / box.width, free.height / box.height, FIT_ZOOM_MAX);
  const zoom = clamp(Math.max(whole, readable), ZOOM_MIN, ZOOM_MAX);
  const centred = (start, size, screen) => (screen - size * zoom) / 2 - start * zoom;
  return {
    zoom,
    x: centred(box.x, box.width, width),
    y: box.height * zoom > free.height ? margin - box.y * zoom : centred(box.y, box.height, height),
  };
}

/** The viewport moved as little as possible so that `box` is seen, with `margin` around it. */
export function revealing(viewport, box, width, height, margin = 24) {
  const shift = (start, size, screen) =>
    start < margin || size + 2 * margin > screen ? margin - start : Math.min(0, screen - margin - start - size);
  return {
    zoom: viewport.zoom,
    x: viewport.x + shift(box.x * viewport.zoom + viewport.x, box.width * viewport.zoom, width),
    y: viewport.y + shift(box.y * viewport.zoom + viewport.y, box.height * viewport.zoom, height),
  };
}

/** The part of the plane, `[top, bottom]`, that a screen of this height shows, `margin` screen pixels around it included. */
export function stretch(viewport, height, margin = 200) {
  return [(-margin - viewport.y) / viewport.zoom, (height + margin - viewport.y) / viewport.zoom];
}

/** Whether `box` touches the screen, `margin` screen pixels around it included. */
export function isSeen(viewport, box, width, height, margin = 200) {
  const left = box.x * viewport.zoom + viewport.x;
  const top = box.y * viewport.zoom + viewport.y;
  return (
    left < width + margin &&
    top < height + margin &&
    left + box.width * viewport.zoom > -margin &&
    top + box.height * viewport.zoom > -margin
  );
}
