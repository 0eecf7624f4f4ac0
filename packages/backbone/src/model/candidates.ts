// A softmax over some of the items: their rows, where each item is among them, and rows back in their places.
import type { EmbeddingTable } from "./documents.js";

// Shape legend: J items, C candidates, K width.

/** The candidates' rows, [C, K]. */
export function rowsOf({ data }: EmbeddingTable, candidates: Int32Array, width: number): EmbeddingTable {
  const some = new Float32Array(candidates.length * width);
  candidates.forEach((item, c) => {
    some.set(data.subarray(item * width, (item + 1) * width), c * width);
  });
  return { rows: candidates.length, data: some };
}

/** Rows of candidates in their places among all items, the others 0. */
export function spread(rows: Float32Array, candidates: Int32Array, items: number, width: number): Float32Array {
  const all = new Float32Array(items * width);
  candidates.forEach((item, c) => {
    all.set(rows.subarray(c * width, (c + 1) * width), item * width);
  });
  return all;
}

/** Where each item is among the candidates. @throws RangeError for a target that is none */
export function placesOf(candidates: Int32Array, items: number): (item: number, document: number) => number {
  const places = new Int32Array(items).fill(-1);
  candidates.forEach((item, c) => {
    places[item] = c;
  });
  return (item, document) => {
    if (places[item]! >= 0) return places[item]!;
    throw new RangeError(`document ${document}: target ${item} is not among the ${candidates.length} candidates`);
  };
}
