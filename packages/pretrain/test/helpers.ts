// What the tests share: the tiny GPT-2 and a small data set with texts.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import type { Csr, DocumentSource, TokenDocument } from "@cllm4rec/corpus";
import { onTestFinished } from "vitest";

export const fixtures = path.join(import.meta.dirname, "fixtures");

/** A random GPT-2 of 128 words, width 8, 2 layers, 64 positions, dropout 0.1; written by test/oracle/pretrain.py. */
export const tinyGpt2 = path.join(fixtures, "tiny-gpt2");

/** Three or four items for each user, all from the user's half. */
export function choices(users: number, items: number): Csr {
  const rows = Array.from({ length: users }, (_, user) =>
    Array.from({ length: 3 + (user % 2) }, (_, k) => (user % 2) * (items / 2) + ((user + 2 * k) % (items / 2))),
  ).map((row) => [...new Set(row)]);
  const indptr = [0];
  for (const row of rows) indptr.push(indptr.at(-1)! + row.length);
  return { rows: users, columns: items, indptr: Int32Array.from(indptr), indices: Int32Array.from(rows.flat()) };
}

/** One short text about every item by user j mod I: "aaa." of the first half, "bbb." of the second. */
export function texts(users: number, items: number): DocumentSource<TokenDocument> {
  return {
    length: items,
    maxLength: 5,
    identity: `texts by ${users} users about ${items} items`,
    lengthAt: () => 5,
    document(item) {
      const letter = item < items / 2 ? 97 : 98;
      return {
        ids: Int32Array.of(128 + (item % users), 128 + users + item, letter, letter, letter),
        targets: Int32Array.of(-1, letter, letter, letter, 46),
      };
    },
  };
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-pretrain-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
