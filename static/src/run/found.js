/** Finding a step by its name. Pure. */

/** The names that hold `text`, in any case: the one that is it first, then those that begin with it, then the others. */
export function foundNames(names, text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const groups = [[], [], []];
  for (const name of names) {
    const lower = name.toLowerCase();
    if (lower.includes(wanted)) groups[lower === wanted ? 0 : lower.startsWith(wanted) ? 1 : 2].push(name);
  }
  return groups.flat();
}
