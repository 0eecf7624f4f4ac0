// The K best unmasked items of each row of a score matrix: one threshold scan per row over a bounded heap, no
// allocation per row.
// Shapes: B rows (users), J items, K list length; scores [B, J] row-major.
import { EvaluationError } from "../error.js";
import { checkItemLists, type ItemLists } from "../item-lists.js";
import { MASKED, mark, UNRANKED, unmark } from "./row-marks.js";

/** The best items of each row, best first. */
export interface TopK {
  /** [B, K] item ids, best first; −1 past a row's length. */
  readonly items: Int32Array;
  /** [B, K] their scores; −Infinity past a row's length. */
  readonly scores: Float32Array;
  /** [B] how many of the K places are filled (fewer than K only where fewer than K items are unmasked). */
  readonly lengths: Int32Array;
}

/** What {@link topK} needs to know beside the scores. */
export interface TopKOptions {
  /** J, the number of columns. */
  readonly items: number;
  /** K, the list length. */
  readonly k: number;
  /** Items that may not be recommended, one list per row; several sets of lists are united. */
  readonly masked?: ItemLists | readonly ItemLists[];
}

/**
 * The K best unmasked items of every row. Order: higher score first; among equal scores the **lower item index** first.
 *
 * @param scores [B, J] row-major; scores of masked items are ignored, whatever they are.
 * @throws {EvaluationError} for shapes that do not fit and for a score that is not finite on an unmasked item.
 */
export function topK(scores: Float32Array, options: TopKOptions): TopK {
  const { items, k } = options;
  const rows = scoreRows(scores, items);
  const masked = maskSets(options.masked);
  for (const lists of masked) checkItemLists(lists, "masked", rows, items);
  const selector = new RowSelector(items, k);
  const marks = new Uint8Array(items);
  const out = { items: new Int32Array(rows * k), scores: new Float32Array(rows * k), lengths: new Int32Array(rows) };
  for (let b = 0; b < rows; b++) {
    for (const lists of masked) mark(marks, MASKED, lists, b);
    const length = selector.select(scores, b * items, marks, b);
    for (const lists of masked) unmark(marks, lists, b);
    out.lengths[b] = length;
    out.items.fill(-1, b * k, (b + 1) * k);
    out.scores.fill(Number.NEGATIVE_INFINITY, b * k, (b + 1) * k);
    out.items.set(selector.items.subarray(0, length), b * k);
    out.scores.set(selector.scores.subarray(0, length), b * k);
  }
  return out;
}

/** The rows B of `scores`; throws unless its length is a multiple of `items`. */
export function scoreRows(scores: Float32Array, items: number): number {
  if (scores.length % items !== 0) {
    throw new EvaluationError(
      `scores: found ${scores.length} values, expected a multiple of ${items} (one column per item); pass whole rows.`,
    );
  }
  return scores.length / items;
}

/** The caller's masks as a list of sets. */
export function maskSets(masked: ItemLists | readonly ItemLists[] | undefined): readonly ItemLists[] {
  if (masked === undefined) return [];
  return "indptr" in masked ? [masked] : masked;
}

/** Throws the one error for a score that cannot be ranked. */
export function throwNonFinite(score: number, item: number, user: number): never {
  throw new EvaluationError(
    `scores, user ${user}, item ${item}: found ${score}, expected a finite number; name items to leave out in ` +
      "`masked`, and look for a diverged model otherwise.",
  );
}

/** Rows at least this many times as long as the list are sampled first … */
const SAMPLED_LENGTHS = 32;
/** … at every 8th item. */
const SAMPLE_STRIDE = 8;

/** Reusable state for selecting the K best of one row after another. */
export class RowSelector {
  /** [K] items of the row selected last, best first; valid up to the returned length. */
  readonly items: Int32Array;
  /** [K] their scores. */
  readonly scores: Float32Array;
  readonly #columns: number;

  constructor(columns: number, k: number) {
    if (!Number.isInteger(k) || k < 1) {
      throw new EvaluationError(`k: found ${k}, expected an integer of at least 1.`);
    }
    this.#columns = columns;
    const size = Math.min(k, columns);
    this.items = new Int32Array(size);
    this.scores = new Float32Array(size);
  }

  /**
   * Selects from `scores[base] … scores[base + J − 1]`, leaving out items marked UNRANKED; returns how many were found.
   *
   * While scanning, `items` and `scores` are a binary heap with the worst place at the root. Items come in ascending
   * order, so an item that only equals the root loses the tie, and one comparison against the root's score disposes of
   * almost every item. On long rows a scan of every 8th item goes first: the K-th best of any part of the row bounds
   * the K-th best of the whole from below, which keeps the number of heap updates small whatever order the scores come
   * in (ascending ones would all pass otherwise).
   */
  select(scores: Float32Array, base: number, marks: Uint8Array, user: number): number {
    const heapScores = this.scores;
    const heapItems = this.items;
    const columns = this.#columns;
    const size = heapItems.length;
    let least = Number.NEGATIVE_INFINITY;
    if (columns >= SAMPLED_LENGTHS * size) {
      this.#scan(scores, base, marks, user, SAMPLE_STRIDE, least);
      least = heapScores[0]!; // still −Infinity if the sample held fewer than K unmasked items
    }
    const found = this.#scan(scores, base, marks, user, 1, least);
    // Heap sort in place: the worst goes last.
    for (let last = size - 1; last > 0; last--) {
      const score = heapScores[last]!;
      const item = heapItems[last]!;
      heapScores[last] = heapScores[0]!;
      heapItems[last] = heapItems[0]!;
      siftDown(heapScores, heapItems, last, score, item);
    }
    return found;
  }

  /**
   * Puts the best of every `stride`-th item into the heap, passing over scores below `least`; returns how many places
   * are filled. NaN fails every comparison and −Infinity is distinguished, so no unmasked score goes unchecked: all
   * reach the slow path.
   */
  #scan(scores: Float32Array, base: number, marks: Uint8Array, user: number, stride: number, least: number): number {
    const heapScores = this.scores;
    const heapItems = this.items;
    const columns = this.#columns;
    const size = heapItems.length;
    // Vacant places lose against every finite score.
    heapScores.fill(Number.NEGATIVE_INFINITY);
    heapItems.fill(columns);
    let filled = 0;
    let item = 0;
    // Until the heap is full, scores equal to `least` must pass; afterwards only better ones than the root.
    for (; item < columns && filled < size; item += stride) {
      const score = scores[base + item]!;
      if (score < least && score !== Number.NEGATIVE_INFINITY) continue;
      if ((marks[item]! & UNRANKED) !== 0) continue;
      if (score - score !== 0) throwNonFinite(score, item, user);
      filled++;
      siftDown(heapScores, heapItems, size, score, item);
    }
    let threshold = heapScores[0]!;
    for (; item < columns; item += stride) {
      const score = scores[base + item]!;
      if (score <= threshold && score !== Number.NEGATIVE_INFINITY) continue;
      if ((marks[item]! & UNRANKED) !== 0) continue;
      if (score - score !== 0) throwNonFinite(score, item, user);
      siftDown(heapScores, heapItems, size, score, item);
      threshold = heapScores[0]!;
    }
    return filled;
  }
}

/** Replaces the root of the heap's first `size` places by (score, item) and restores the heap: worst at the root. */
function siftDown(heapScores: Float32Array, heapItems: Int32Array, size: number, score: number, item: number): void {
  let hole = 0;
  for (;;) {
    let child = 2 * hole + 1;
    if (child >= size) break;
    let childScore = heapScores[child]!;
    const right = child + 1;
    if (right < size) {
      const rightScore = heapScores[right]!;
      if (rightScore < childScore || (rightScore === childScore && heapItems[right]! > heapItems[child]!)) {
        child = right;
        childScore = rightScore;
      }
    }
    if (score < childScore || (score === childScore && item > heapItems[child]!)) break;
    heapScores[hole] = childScore;
    heapItems[hole] = heapItems[child]!;
    hole = child;
  }
  heapScores[hole] = score;
  heapItems[hole] = item;
}
