// Scores of different recommenders on one scale.
// Shapes: B users, J items, M members.
import { EvaluationError } from "../error.js";
import { scoreRows } from "../ranking/top-k.js";

/**
 * Replaces each row of scores [B, J] by its z-scores: less the mean over all items, divided by the standard deviation.
 * A row of equal scores, which says nothing, becomes 0. Works in double precision; returns the same array.
 * @param among the first so many items make up mean and deviation; the others are brought to the same scale. Default: J
 * @throws {EvaluationError} where the number of scores is no multiple of J
 */
export function standardise(scores: Float32Array, items: number, among = items): Float32Array {
  const rows = scoreRows(scores, items);
  for (let b = 0; b < rows; b++) {
    const start = b * items;
    const [counted, end] = [start + among, start + items];
    let sum = 0;
    for (let at = start; at < counted; at++) sum += scores[at]!;
    const mean = sum / among;
    let squares = 0;
    for (let at = start; at < counted; at++) squares += (scores[at]! - mean) ** 2;
    const deviation = Math.sqrt(squares / among);
    // Rounding alone gives equal scores a deviation that is not 0.
    const scale = deviation > 1e-7 * Math.abs(mean) ? 1 / deviation : 0;
    for (let at = start; at < end; at++) scores[at] = (scores[at]! - mean) * scale;
  }
  return scores;
}

/**
 * The weighted sum of members' standardised scores, Σ weights[m]·scores[m], in the members' order and in double
 * precision.
 * @param scores [M] arrays of equal length
 * @throws {EvaluationError} for lengths or a number of weights that differ
 */
export function mixScores(scores: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const length = scores[0]?.length ?? 0;
  if (scores.length !== weights.length || scores.some((one) => one.length !== length)) {
    throw new EvaluationError(
      `blend: found ${weights.length} weights and scores of lengths ${scores.map((one) => one.length).join(", ")}, ` +
        "expected one weight for each member, and equal lengths.",
    );
  }
  const mixed = new Float32Array(length);
  for (let at = 0; at < length; at++) {
    let sum = 0;
    for (let m = 0; m < scores.length; m++) sum += weights[m]! * scores[m]![at]!;
    mixed[at] = sum;
  }
  return mixed;
}
