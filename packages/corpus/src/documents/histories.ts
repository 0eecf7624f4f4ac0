// Users' histories as rows of a sparse matrix: checks before use, union of two splits, ordered or shuffled samples of a
// row.
// Csr: I rows (users), J columns (items), n interactions; within a row the order is the data's own ("fixed").
import { createHash } from "node:crypto";
import type { Csr } from "../dataset/csr.js";
import { CorpusUsageError } from "../errors.js";
import type { CounterRandom } from "./random.js";
import type { PromptTokenizer } from "./types.js";

/**
 * `"shuffled"`: a new permutation for every (seed, epoch), as in the paper (§3.3.4). `"fixed"`: the data's own order
 * (LLM-FixOrd).
 */
export type ItemOrder = "shuffled" | "fixed";

/**
 * Throws unless the matrix is sound, has no item twice in a row, and fits the tokenizer.
 * A repeated item could be held out and stay in the history at once.
 */
export function checkHistories(label: string, matrix: Csr, tokenizer: PromptTokenizer): void {
  const { rows, columns, indptr, indices } = matrix;
  const fail = (problem: string): never => {
    throw new CorpusUsageError(`${label}: ${problem}`);
  };
  if (rows !== tokenizer.users || columns !== tokenizer.items) {
    fail(
      `${rows} users × ${columns} items, but the tokenizer was extended by ${tokenizer.users} users and ` +
        `${tokenizer.items} items`,
    );
  }
  if (indptr.length !== rows + 1 || indptr[0] !== 0 || indptr[rows] !== indices.length) {
    fail(`indptr has to hold ${rows + 1} offsets from 0 to ${indices.length}`);
  }
  const seenBy = new Int32Array(columns).fill(-1);
  for (let user = 0; user < rows; user++) {
    if (indptr[user]! > indptr[user + 1]!) fail(`indptr falls after user ${user}`);
    for (let k = indptr[user]!; k < indptr[user + 1]!; k++) {
      const item = indices[k]!;
      if (item < 0 || item >= columns) fail(`user ${user} has item ${item}; items run from 0 to ${columns - 1}`);
      if (seenBy[item] === user) fail(`user ${user} has item ${item} twice; keep one interaction for each pair`);
      seenBy[item] = user;
    }
  }
}

/**
 * Each user's items of `first`, then those of `second`: e.g. training and validation items as the history at test time.
 *
 * @throws {@link CorpusUsageError} if the sizes differ.
 */
export function uniteHistories(first: Csr, second: Csr): Csr {
  if (first.rows !== second.rows || first.columns !== second.columns) {
    throw new CorpusUsageError(
      `histories of ${first.rows} × ${first.columns} and ${second.rows} × ${second.columns} cannot be united; ` +
        "they have to be of one size",
    );
  }
  const indptr = new Int32Array(first.rows + 1);
  const indices = new Int32Array(first.indices.length + second.indices.length);
  for (let user = 0, n = 0; user < first.rows; user++) {
    for (const { indptr: from, indices: items } of [first, second]) {
      const row = items.subarray(from[user], from[user + 1]);
      indices.set(row, n);
      n += row.length;
    }
    indptr[user + 1] = n;
  }
  return { rows: first.rows, columns: first.columns, indptr, indices };
}

/** The users with at least `minimum` items, ascending. */
export function usersWith(matrix: Csr, minimum: number): Int32Array {
  const users = new Int32Array(matrix.rows);
  let count = 0;
  for (let user = 0; user < matrix.rows; user++) {
    if (matrix.indptr[user + 1]! - matrix.indptr[user]! >= minimum) users[count++] = user;
  }
  return users.slice(0, count);
}

/** The longest row. */
export function longestHistory({ rows, indptr }: Csr): number {
  let longest = 0;
  for (let user = 0; user < rows; user++) longest = Math.max(longest, indptr[user + 1]! - indptr[user]!);
  return longest;
}

/**
 * Puts a uniformly random sample of `count` of the first `length` values in front: in random order, or in their
 * original one. `scratch` (at least `length` long) is only used for the original order.
 */
export function sampleItems(
  values: Int32Array,
  length: number,
  count: number,
  order: ItemOrder,
  random: CounterRandom,
  scratch: Int32Array,
): void {
  if (order === "shuffled") {
    random.shuffle(values, length, count);
  } else if (count < length) {
    for (let i = 0; i < length; i++) scratch[i] = i;
    random.shuffle(scratch, length, count);
    const kept = scratch.subarray(0, count).sort();
    // kept ascends, so kept[i] ≥ i: nothing is overwritten unread
    for (let i = 0; i < count; i++) values[i] = values[kept[i]!]!;
  }
}

/** SHA-256 (hex) of settings and matrices. */
export function identityOf(settings: unknown, ...matrices: readonly (Csr | undefined)[]): string {
  const hash = createHash("sha256").update(JSON.stringify(settings));
  for (const matrix of matrices) {
    hash.update(matrix ? `|${matrix.rows}×${matrix.columns}|` : "|none|");
    for (const array of matrix ? [matrix.indptr, matrix.indices] : []) {
      hash.update(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    }
  }
  return hash.digest("hex");
}
