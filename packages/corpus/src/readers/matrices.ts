// The layout of the CLLM4Rec authors' code: one users × items CSR matrix for each part of a given split.
// Indices are kept as they are, rows without interactions included: user 7 stays user 7.
import fs from "node:fs";
import path from "node:path";
import type { Csr } from "../dataset/csr.js";
import type { GivenPart } from "../dataset/dataset.js";
import { CorpusError } from "../errors.js";
import { readCsrNpz } from "./npz.js";

export const MATRIX_FILES: Readonly<Record<GivenPart, string>> = {
  train: "train_matrix.npz",
  validation: "val_matrix.npz",
  test: "test_matrix.npz",
};

const SPLITS = ["train", "validation", "test"] as const;

export interface Matrices {
  readonly files: readonly string[];
  readonly users: number;
  readonly items: number;
  readonly parts: Readonly<Record<GivenPart, Csr>>;
  /** Entries that were stored but zero, and so are no interactions. */
  readonly zeros: number;
  /** Entries that repeat one of the same matrix. */
  readonly duplicates: number;
}

/** @throws CorpusError if a file is missing or damaged, the shapes differ, or an interaction is in two parts. */
export async function readMatrices(folder: string): Promise<Matrices> {
  const files = SPLITS.map((split) => path.join(folder, MATRIX_FILES[split]));
  const missing = files.find((file) => !fs.existsSync(file));
  if (missing !== undefined) {
    throw new CorpusError(
      `${missing} does not exist: a matrices folder holds ${Object.values(MATRIX_FILES).join(", ")}.`,
    );
  }
  const [train, validation, test] = [
    await readCsrNpz(files[0]!),
    await readCsrNpz(files[1]!),
    await readCsrNpz(files[2]!),
  ];
  for (const [index, part] of [validation, test].entries()) {
    if (part.rows !== train.rows || part.columns !== train.columns) {
      throw new CorpusError(
        `${files[index + 1]} is ${part.rows} × ${part.columns}, but ${MATRIX_FILES.train} is ${train.rows} × ` +
          `${train.columns}: all three are users × items.`,
      );
    }
  }
  const { parts, duplicates } = withoutDuplicates(folder, { train, validation, test });
  return {
    files,
    users: train.rows,
    items: train.columns,
    parts,
    zeros: train.zeros + validation.zeros + test.zeros,
    duplicates,
  };
}

function withoutDuplicates(
  folder: string,
  parts: Record<GivenPart, Csr>,
): { parts: Record<GivenPart, Csr>; duplicates: number } {
  const { rows, columns } = parts.train;
  const indptr = SPLITS.map(() => new Int32Array(rows + 1));
  const indices = SPLITS.map((split) => new Int32Array(parts[split].indices.length));
  const filled = [0, 0, 0];
  // For each item: the user that last had it, and in which part.
  const seenBy = new Int32Array(columns).fill(-1);
  const seenIn = new Uint8Array(columns);
  let duplicates = 0;
  for (let user = 0; user < rows; user++) {
    for (const [part, split] of SPLITS.entries()) {
      const csr = parts[split];
      for (let k = csr.indptr[user]!; k < csr.indptr[user + 1]!; k++) {
        const item = csr.indices[k]!;
        if (seenBy[item] === user && seenIn[item] !== part) {
          throw new CorpusError(
            `${folder}: user ${user} and item ${item} are both in ${MATRIX_FILES[SPLITS[seenIn[item]!]!]} and in ` +
              `${MATRIX_FILES[split]}; the parts of a split do not overlap.`,
          );
        }
        if (seenBy[item] === user) {
          duplicates++;
          continue;
        }
        seenBy[item] = user;
        seenIn[item] = part;
        indices[part]![filled[part]!++] = item;
      }
      indptr[part]![user + 1] = filled[part]!;
    }
  }
  const part = (index: number): Csr => ({
    rows,
    columns,
    indptr: indptr[index]!,
    indices: indices[index]!.subarray(0, filled[index]),
  });
  return { parts: { train: part(0), validation: part(1), test: part(2) }, duplicates };
}
