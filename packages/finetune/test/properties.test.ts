// Invariants over random requests and random moments of stopping.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { type FinetuneOptions, finetune } from "@cllm4rec/finetune";
import { IndexRecommender } from "@cllm4rec/recommend";
import { asciiTokenizer } from "@cllm4rec/testing";
import { initialTables } from "@cllm4rec/training/stage";
import fc from "fast-check";
import { afterAll, beforeAll, expect, it } from "vitest";
import { itemTexts, temporaryFolder, tinyGpt2, twoTastes } from "./helpers.js";

const [users, items] = [12, 10];
const tokenizer = asciiTokenizer(users, items);
const tables = initialTables({ users, items, width: 16, seed: 8, priorDeviation: 0.4, contentDeviation: 0.1 });

let backbone: Backbone;
let model: BaseModel;
beforeAll(async () => {
  backbone = await Backbone.open(tinyGpt2);
  model = new BaseModel(backbone, { users, items });
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
});

const item = fc.nat(items - 1);
const request = fc.record({ history: fc.uniqueArray(item, { minLength: 1 }), exclude: fc.array(item) });

it("recommends the k best of what is neither history nor excluded, each once, in falling order", async () => {
  const recommender = new IndexRecommender({ model, tables: tables.collaborative, tokenizer, batch: 3 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(request, { maxLength: 7 }),
      fc.integer({ min: 1, max: items + 2 }),
      async (requests, k) => {
        let index = 0;
        for await (const { items: found, scores } of recommender.recommend(requests, k)) {
          const { history, exclude } = requests[index++]!;
          const allowed = Array.from({ length: items }, (_, j) => j).filter(
            (j) => !history.includes(j) && !exclude.includes(j),
          );
          expect(found.length).toBe(Math.min(k, allowed.length));
          expect(new Set(found).size).toBe(found.length);
          for (const j of found) expect(allowed).toContain(j);
          for (let r = 1; r < scores.length; r++) expect(scores[r]!).toBeLessThanOrEqual(scores[r - 1]!);
        }
        expect(index).toBe(requests.length);
      },
    ),
    { numRuns: 40 },
  );
});

it("ends with the same bytes for any settings, stopped twice at any updates", async () => {
  const { train, validation } = twoTastes(users, items);
  const settings = fc.record({
    seed: fc.nat(),
    epochs: fc.integer({ min: 1, max: 3 }),
    userToken: fc.boolean(),
    averageDecay: fc.constantFrom(0, 0.7),
    contentSteps: fc.constantFrom("epoch" as const, 1, 3),
    validateEvery: fc.integer({ min: 1, max: 3 }),
    patience: fc.integer({ min: 1, max: 2 }),
    learningRate: fc.constantFrom(1e-9, 0.02),
  });
  const run = (chosen: Partial<FinetuneOptions>, directory: string, stopAfter?: number) => {
    const stop = new AbortController();
    return finetune({
      model,
      tokenizer,
      tables,
      train,
      validation,
      texts: itemTexts(users, items),
      batch: { documents: 6 },
      textBatch: { documents: 5 },
      maskedShare: [0.2, 0.6],
      metrics: ["recall@3"],
      ...chosen,
      stop: stop.signal,
      output: { directory, backboneId: "tiny" },
      onEvent: (event) => {
        if (event.type === "step" && event.update === stopAfter) stop.abort();
      },
    });
  };
  const files = ["embeddings.safetensors", "config.json", "training-state/finetune.safetensors"];
  const root = temporaryFolder();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      settings,
      fc.integer({ min: 1, max: 14 }),
      fc.integer({ min: 1, max: 14 }),
      async (chosen, first, second) => {
        const [whole, parts] = [path.join(root, `${runs}-whole`), path.join(root, `${runs++}-parts`)];
        const expected = await run(chosen, whole);
        await run(chosen, parts, first);
        await run(chosen, parts, second);
        const { reason, best } = await run(chosen, parts);
        expect({ reason, best }).toEqual({ reason: expected.reason, best: expected.best });
        for (const file of files) {
          expect(fs.readFileSync(path.join(parts, file)).equals(fs.readFileSync(path.join(whole, file))), file).toBe(
            true,
          );
        }
      },
    ),
    { numRuns: 8 },
  );
});
