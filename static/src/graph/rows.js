/** Cards that stand beside one another, and the gaps between them that edges can pass. Pure. */

export const LANE_MARGIN = 16; // between a card and an edge that passes it

export const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

/** The rows of `positions` from the top, each with its boxes and with the gaps that are wide enough for an edge. */
export function rowsOf(positions) {
  const rows = [];
  for (const box of [...positions.values()].sort((a, b) => a.y - b.y)) {
    const row = rows.at(-1);
    if (row && box.y < row.bottom) {
      row.boxes.push(box);
      row.bottom = Math.max(row.bottom, box.y + box.height);
    } else rows.push({ top: box.y, bottom: box.y + box.height, boxes: [box] });
  }
  return rows.map(({ top, bottom, boxes }) => {
    const gaps = [];
    let left = -Infinity;
    for (const box of boxes.sort((a, b) => a.x - b.x)) {
      if (box.x - left >= 2 * LANE_MARGIN) gaps.push({ left: left + LANE_MARGIN, right: box.x - LANE_MARGIN });
      left = Math.max(left, box.x + box.width);
    }
    return { top, bottom, boxes, gaps: [...gaps, { left: left + LANE_MARGIN, right: Infinity }] };
  });
}

/** The gap that costs the fewest steps aside between `x` on one side and `end` beyond; of equals the one nearer to `x`. */
export function nearestGap(gaps, x, end) {
  const cost = (gap) => {
    const lane = clamp(x, gap.left, gap.right);
    return 1.01 * Math.abs(lane - x) + Math.abs(lane - end);
  };
  let [best, least] = [gaps[0], cost(gaps[0])];
  for (const gap of gaps) {
    const asked = cost(gap);
    if (asked < least) [best, least] = [gap, asked];
  }
  return best;
}
