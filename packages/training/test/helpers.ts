// What the tests share: committed goldens, temporary folders, the tiny GPT-2, and batches that need no corpus.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import type { TokenInput } from "@cllm4rec/backbone";
import type { BatchSource } from "@cllm4rec/training";
import { onTestFinished } from "vitest";

export const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures");

/** A random GPT-2 of 13 words, width 8, 2 layers; written by test/oracle/generate.py. */
export const tinyGpt2 = path.join(fixtures, "tiny-gpt2");

/** Written by test/oracle/generate.py; the caller says what is in it. */
export function golden<T>(name: string): T {
  return JSON.parse(fs.readFileSync(path.join(fixtures, name), "utf8"));
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-training-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** The documents in their order, `size` at a time, the same in every epoch but rotated by its number. */
export function fixedBatches(documents: readonly TokenInput[], size: number): BatchSource<TokenInput> {
  const steps = Math.ceil(documents.length / size);
  return {
    identity: "fixed",
    steps: () => steps,
    batch({ seed, epoch, step }) {
      const rotated = documents.map((_, i) => documents[(i + epoch) % documents.length]!);
      const next = step + 1 === steps ? { seed, epoch: epoch + 1, step: 0 } : { seed, epoch, step: step + 1 };
      return { documents: rotated.slice(step * size, (step + 1) * size), next };
    },
  };
}
