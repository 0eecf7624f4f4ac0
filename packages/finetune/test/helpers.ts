// What the tests share: the tiny GPT-2 and a data set with two tastes.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TokenInput } from "@cllm4rec/backbone";
import type { DocumentSource } from "@cllm4rec/corpus";
import { onTestFinished } from "vitest";

export { csr, twoTastes } from "@cllm4rec/testing";

/** A random GPT-2 of 128 words, width 16, 2 layers, 96 positions; written by test/oracle/tiny_gpt2.py. */
export const tinyGpt2 = path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures", "tiny-gpt2");

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
