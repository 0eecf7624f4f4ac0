// One byte per item that says, for the user at hand, whether the item is masked or held out; set and cleared row by
// row.
// Shapes: J items.
import { EvaluationError } from "../error.js";
import type { ItemLists } from "../item-lists.js";

/** The item may not be recommended to this user (training item). */
export const MASKED = 1;
/** The item is one of the user's held-out items. */
export const HELD_OUT = 2;
/** The item has already been met in the user's ranked list. */
export const LISTED = 4;

/** The item is no candidate, for any user: it stays marked from row to row. */
export const OUTSIDE = 8;
/** The item has no place in this user's ranking. */
export const UNRANKED = MASKED | OUTSIDE;

/** Sets `bit` on row `b`'s items. @throws {EvaluationError} where the bit is set already and `once` names the list. */
export function mark(marks: Uint8Array, bit: number, lists: ItemLists, b: number, once?: string): void {
  const { indptr, indices } = lists;
  for (let p = indptr[b]!, end = indptr[b + 1]!; p < end; p++) {
    const item = indices[p]!;
    if (once !== undefined && (marks[item]! & bit) !== 0) {
      throw new EvaluationError(`${once}: found item ${item} twice, expected each item once; remove the duplicate.`);
    }
    marks[item]! |= bit;
  }
}

/** Clears every mark on row `b`'s items but {@link OUTSIDE}. */
export function unmark(marks: Uint8Array, lists: ItemLists, b: number): void {
  const { indptr, indices } = lists;
  for (let p = indptr[b]!, end = indptr[b + 1]!; p < end; p++) marks[indices[p]!]! &= OUTSIDE;
}
