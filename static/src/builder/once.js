/** What is found out of something that never changes is found out once. Pure. */

/**
 * `find`, asked once for each object. A key that is pressed asks the same of every step, several times over.
 * @template {object} Of
 * @template Found
 * @param {(of: Of) => Found} find
 * @returns {(of: Of) => Found}
 */
export function onceOf(find) {
  /** @type {WeakMap<Of, {found: Found}>} */
  const known = new WeakMap();
  return (of) => {
    const before = known.get(of);
    if (before) return before.found;
    const found = find(of);
    known.set(of, { found });
    return found;
  };
}

const byKey = onceOf((/** @type {import("./document.js").Step[]} */ steps) => new Map(steps.map((step) => [step.key, step])));

/** @returns {import("./document.js").Step|undefined} */
export const stepOf = (draft, key) => byKey(draft.steps).get(key);
