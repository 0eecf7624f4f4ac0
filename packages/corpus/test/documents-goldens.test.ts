// The paper's documents for GPT-2 and T5, against sequences that transformers made (oracle/documents.py), elementwise.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  csrRow,
  type DocumentLayout,
  decoderOnly,
  encoderDecoder,
  hashTokenizer,
  interactionDocuments,
  openTokenCache,
  recommendationPrompter,
  type TextCorpus,
  textDocuments,
} from "@cllm4rec/corpus";
import { sharedPath } from "@cllm4rec/testing";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { afterAll, describe, expect, test } from "vitest";
import { csrOf } from "./histories.js";

interface Goldens {
  readonly rows: number;
  readonly [document: string]: unknown;
}
const golden: { users: number; items: number; reviewText: string; hostileText: string; gpt2: Goldens; t5: Goldens } =
  JSON.parse(fs.readFileSync(path.join(import.meta.dirname, "fixtures", "documents.json"), "utf8"));

const root = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-goldens-"));
afterAll(() => fs.rmSync(root, { recursive: true }));
const at = { seed: 0, epoch: 0 };

/** Typed arrays of a document as plain ones, without the answers, which the oracle's prompts do not have. */
function plain(document: object): Record<string, number[]> {
  const entries = Object.entries(document).filter(([name]) => name !== "heldOut");
  return Object.fromEntries(entries.map(([name, array]) => [name, [...array]]));
}

async function built(directory: string, rows: number, layout: DocumentLayout<object, object>) {
  const { tokenizer: base, json, config } = await loadTokenizer(directory);
  const tokenizer = new ExtendedTokenizer({ tokenizer: base, rows, users: golden.users, items: golden.items });
  const common = { tokenizer, layout, maxLength: 512, order: "fixed" as const };
  const history = csrOf([[], [2, 0, 7], []], golden.items);
  const texts = async (kind: TextCorpus["kind"], user: number, item: number, text: string) => {
    const corpus: TextCorpus = { kind, read: () => [{ user, item, text }] };
    const cache = await openTokenCache({
      directory: root,
      tokenizer,
      tokenizerIdentity: hashTokenizer(json, config),
      corpus,
    });
    const document = textDocuments({ ...common, cache }).document(0, at);
    cache.close();
    return plain(document);
  };
  return {
    rows,
    interactions: plain(interactionDocuments({ ...common, interactions: history }).document(0, at)),
    review: await texts("reviews", 1, 2, golden.reviewText),
    hostile: await texts("reviews", 1, 0, golden.hostileText),
    itemText: await texts("item-texts", -1, 5, "Electric guitar strings, nickel wound"),
    userText: await texts("user-texts", 0, -1, "Plays the blues."),
    recommendation: plain(recommendationPrompter(common)({ user: 1, history: csrRow(history, 1) }, at)),
    historyOnly: plain(recommendationPrompter({ ...common, userToken: false })({ history: [4, 6] }, at)),
  };
}

describe("the paper's prompts with real tokenizers", () => {
  const gpt2 = sharedPath("models/gpt2-tokenizer");
  test.skipIf(gpt2 === undefined)("GPT-2, decoder-only", async () => {
    expect(await built(gpt2!, 50_257, decoderOnly())).toEqual(golden.gpt2);
  });

  const t5 = sharedPath("models/t5-tokenizer");
  test.skipIf(t5 === undefined)("T5, encoder–decoder, with more embedding rows than pieces", async () => {
    expect(await built(t5!, 32_128, encoderDecoder({ decoderStart: 0, encoderEnd: 1 }))).toEqual(golden.t5);
  });
});
