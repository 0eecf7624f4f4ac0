// Real reviews to documents: Amazon Musical Instruments with GPT-2's tokenizer, read back from the token ids.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  BatchPlan,
  Dataset,
  decoderOnly,
  hashTokenizer,
  openTokenCache,
  prepare,
  textDocuments,
  trainReviewTexts,
} from "@cllm4rec/corpus";
import { sharedPath } from "@cllm4rec/testing";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { afterAll, expect, test } from "vitest";
import { paddingShare } from "./padding-share.js";

const reviews = sharedPath("data/amazon-musical-instruments");
const gpt2 = sharedPath("models/gpt2-tokenizer");
const root = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-real-"));
afterAll(() => fs.rmSync(root, { recursive: true }));

test.skipIf(!reviews || !gpt2)(
  "every training review is one document, word for word, with the paper's prompt",
  async () => {
    const output = path.join(root, "dataset");
    const inputs = fs
      .readdirSync(reviews!)
      .filter((name) => name.endsWith(".json.gz"))
      .map((name) => path.join(reviews!, name));
    await prepare({ inputs, output });
    const dataset = await Dataset.open(output);
    const { tokenizer: base, json, config } = await loadTokenizer(gpt2!);
    const { users, items } = dataset;
    const tokenizer = new ExtendedTokenizer({ tokenizer: base, rows: 50_257, users, items });
    const cache = await openTokenCache({
      directory: path.join(root, "cache"),
      tokenizer,
      tokenizerIdentity: hashTokenizer(json, config),
      corpus: trainReviewTexts(dataset),
    });
    const source = textDocuments({ tokenizer, cache, layout: decoderOnly(), maxLength: 1024 });
    expect(source.length + cache.emptyTexts).toBe(dataset.manifest.statistics.trainReviews);
    const at = { seed: 0, epoch: 0 };
    let index = 0;
    let cut = 0;
    for await (const { user, item, text } of dataset.trainReviews()) {
      if (text === "") continue;
      const { ids, targets } = source.document(index, at);
      expect(ids.length).toBe(source.lengthAt(index, at));
      const prompt = targets.indexOf(targets.find((id) => id >= 0)!) + 1;
      expect(tokenizer.decode(ids.subarray(0, prompt))).toBe(`<user_${user}> writes the review for<item_${item}> :`);
      const main = targets.subarray(prompt - 1);
      expect(ids.subarray(prompt)).toEqual(main.subarray(0, -1));
      const whole = tokenizer.decode(main) === text;
      if (!whole) {
        expect(ids.length).toBe(1024);
        expect(text.startsWith(tokenizer.decode(main).replace(/�+$/, ""))).toBe(true);
        cut++;
      }
      index++;
    }
    expect(index).toBe(source.length);
    expect(cut).toBeLessThan(20);

    const bucketed = new BatchPlan(source, { size: { documents: 16 }, bucket: true });
    let useful = 0;
    let computed = 0;
    for (const { documents } of bucketed.batches({ seed: 0, epoch: 0, step: 0 })) {
      const lengths = documents.map(({ ids }) => ids.length);
      const sum = lengths.reduce((a, b) => a + b);
      useful += sum;
      computed += sum / (1 - paddingShare(lengths));
    }
    expect(1 - useful / computed).toBeLessThan(0.05);
    cache.close();
    dataset.close();
  },
);
