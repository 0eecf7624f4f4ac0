// What the tests share: the tiny GPT-2 and a data set with two tastes.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TokenInput } from "@cllm4rec/backbone";
import type { Csr, DocumentSource } from "@cllm4rec/corpus";
import { onTestFinished } from "vitest";

/** A random GPT-2 of 128 words, width 16, 2 layers, 96 positions; written by test/oracle/tiny_gpt2.py. */
export const tinyGpt2 = path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures", "tiny-gpt2");

/** Rows of items as a matrix. */
export function csr(columns: number, rows: readonly (readonly number[])[]): Csr {
  const indptr = Int32Array.from([
    0,
    ...rows.map((_, r) => rows.slice(0, r + 1).reduce((sum, row) => sum + row.length, 0)),
  ]);
  return { rows: rows.length, columns, indptr, indices: Int32Array.from(rows.flat()) };
}

/** Even users like the first half of the items, odd ones the second: five training items each, and one to be found. */
export function twoTastes(users: number, items: number): { train: Csr; validation: Csr } {
  const half = items / 2;
  const liked = Array.from({ length: users }, (_, user) =>
    Array.from({ length: 6 }, (_, k) => (user % 2) * half + ((user * 5 + k * 3 + Math.floor(user / 7)) % half)),
  ).map((row) => [...new Set(row)]);
  return {
    train: csr(
      items,
      liked.map((row) => row.slice(0, -1).sort((a, b) => a - b)),
    ),
    validation: csr(
      items,
      liked.map((row) => row.slice(-1)),
    ),
  };
}

/** "aaaa" about items of the first half, "bbbb" about the others; one text an item, by user 0. */
export function itemTexts(
  users: number,
  items: number,
): DocumentSource<TokenInput> & DocumentSource<{ ids: Int32Array; targets: Int32Array }> {
  return {
    length: items,
    maxLength: 5,
    identity: `texts of ${users} users and ${items} items`,
    lengthAt: () => 5,
    document(item) {
      const letter = item < items / 2 ? 97 : 98;
      return {
        ids: Int32Array.of(128, 128 + users + item, letter, letter, letter),
        targets: Int32Array.of(-1, letter, letter, letter, letter),
      };
    },
  };
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-finetune-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
