// Small interaction matrices for tests.
import type { Csr } from "@cllm4rec/corpus";
import fc from "fast-check";

/** A matrix with these rows. */
export function csrOf(rows: readonly (readonly number[])[], columns: number): Csr {
  const indptr = new Int32Array(rows.length + 1);
  for (const [user, row] of rows.entries()) indptr[user + 1] = indptr[user]! + row.length;
  return { rows: rows.length, columns, indptr, indices: Int32Array.from(rows.flat()) };
}

/** Random matrices of 1 to 6 users and 12 items, empty rows and rows of one item included. */
export const histories = fc
  .array(fc.uniqueArray(fc.nat(11), { maxLength: 12 }), { minLength: 1, maxLength: 6 })
  .map((rows) => csrOf(rows, 12));

/** A user's items. */
export function rowOf({ indptr, indices }: Csr, user: number): number[] {
  return [...indices.subarray(indptr[user], indptr[user + 1])];
}
