// Rows of item ids in compressed sparse row form: held-out items, masks and ranked lists all come as this.
// Shapes: B rows (users), J items.
import { EvaluationError } from "./error.js";

/**
 * One list of item ids per row, in compressed sparse row form: row `b` is
 * `indices[indptr[b]] … indices[indptr[b + 1] − 1]`. `indptr[0]` need not be 0, so that a block of rows of a large
 * matrix is a view of it ({@link sliceItemLists}).
 */
export interface ItemLists {
  /** [B + 1], never decreasing. */
  readonly indptr: Int32Array | Uint32Array;
  /** Item ids, 0 … J − 1; no item twice in a row. */
  readonly indices: Int32Array | Uint32Array;
}

/**
 * Packs one list of item ids per row into compressed sparse rows.
 *
 * @throws {EvaluationError} for an id that is not an integer in 0 … 2³¹ − 1.
 */
export function itemLists(rows: Iterable<Iterable<number>>): ItemLists {
  const indptr = [0];
  const indices: number[] = [];
  for (const row of rows) {
    for (const item of row) {
      if (!Number.isInteger(item) || item < 0 || item > 0x7fffffff) {
        throw new EvaluationError(
          `item lists, row ${indptr.length - 1}: found item id ${item}, expected an integer from 0 to 2147483647; ` +
            "map raw ids to item indices first.",
        );
      }
      indices.push(item);
    }
    indptr.push(indices.length);
  }
  return { indptr: Int32Array.from(indptr), indices: Int32Array.from(indices) };
}

/** Rows `from` (included) to `to` (excluded) as a view that shares the memory of `lists`. */
export function sliceItemLists(lists: ItemLists, from: number, to: number): ItemLists {
  if (!(from >= 0 && from <= to && to < lists.indptr.length)) {
    throw new EvaluationError(
      `item lists: found rows ${from} to ${to}, expected a range inside 0 to ${lists.indptr.length - 1} (the ` +
        "number of rows).",
    );
  }
  return { indptr: lists.indptr.subarray(from, to + 1), indices: lists.indices };
}

/** Number of rows. */
export function rowCount(lists: ItemLists): number {
  return lists.indptr.length - 1;
}

/** Throws unless `lists` has `rows` rows of ids in 0 … `items` − 1; `name` is the caller's name for it. */
export function checkItemLists(lists: ItemLists, name: string, rows: number, items: number): void {
  const { indptr, indices } = lists;
  if (indptr.length !== rows + 1) {
    throw new EvaluationError(
      `${name}: found ${indptr.length - 1} rows, expected ${rows} (one per user of the batch); slice it with ` +
        "sliceItemLists.",
    );
  }
  for (let b = 0; b < rows; b++) {
    if (!(indptr[b]! <= indptr[b + 1]!)) {
      throw new EvaluationError(
        `${name}.indptr: found ${indptr[b]} then ${indptr[b + 1]} at row ${b}, expected values that never decrease.`,
      );
    }
  }
  if (indptr[0]! < 0 || indptr[rows]! > indices.length) {
    throw new EvaluationError(
      `${name}.indptr: found the range ${indptr[0]} to ${indptr[rows]}, expected one inside 0 to ` +
        `${indices.length} (the length of indices).`,
    );
  }
  for (let b = 0; b < rows; b++) {
    for (let p = indptr[b]!; p < indptr[b + 1]!; p++) {
      const item = indices[p]!;
      if (item < 0 || item >= items) {
        throw new EvaluationError(
          `${name}, row ${b}: found item ${item}, expected 0 to ${items - 1}; item ids must be the columns of the ` +
            "score matrix.",
        );
      }
    }
  }
}
