// The exact ranks of a user's held-out items among all ranked items, for metrics without a cut-off.
// Shapes: J items, M held-out items of the user.
import { HELD_OUT, UNRANKED } from "./row-marks.js";
import { throwNonFinite } from "./top-k.js";

/**
 * Writes into `ranks` the 1-based ranks, ascending, of the items marked HELD_OUT in the row
 * `scores[base] … scores[base + J − 1]`, and returns how many there are. Same order as the top-K: higher score first,
 * then lower item index. One pass over the row, with a binary search among the held-out items only for items that beat
 * the worst of them.
 */
export function heldOutRanks(
  scores: Float32Array,
  base: number,
  columns: number,
  marks: Uint8Array,
  user: number,
  ranks: Int32Array,
): number {
  const heldOut: number[] = [];
  for (let item = 0; item < columns; item++) {
    if ((marks[item]! & UNRANKED) !== 0) continue;
    const score = scores[base + item]!;
    if (score - score !== 0) throwNonFinite(score, item, user);
    if ((marks[item]! & HELD_OUT) !== 0) heldOut.push(item);
  }
  const count = heldOut.length;
  if (count === 0) return 0;
  heldOut.sort((a, b) => scores[base + b]! - scores[base + a]! || a - b);
  // ranks[i] first counts the items that beat the held-out items i, i + 1, … but not i − 1; prefix sums then give the
  // ranks.
  ranks.fill(0, 0, count);
  const worst = heldOut[count - 1]!;
  const worstScore = scores[base + worst]!;
  for (let item = 0; item < columns; item++) {
    const score = scores[base + item]!;
    if (!(score >= worstScore) || (marks[item]! & UNRANKED) !== 0) continue;
    let low = 0;
    let high = count;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = heldOut[middle]!;
      const otherScore = scores[base + other]!;
      if (score > otherScore || (score === otherScore && item < other)) high = middle;
      else low = middle + 1;
    }
    if (low < count) ranks[low]!++;
  }
  let better = 0;
  for (let i = 0; i < count; i++) {
    better += ranks[i]!;
    ranks[i] = better + 1;
  }
  return count;
}
