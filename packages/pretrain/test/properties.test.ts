// Any schedule of phases, stopped at any two moments, ends with the same bytes as one that was left alone.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { type PretrainOptions, pretrain } from "@cllm4rec/pretrain";
import { asciiTokenizer } from "@cllm4rec/testing";
import { initialTables } from "@cllm4rec/training/stage";
import fc from "fast-check";
import { expect, it } from "vitest";
import { choices, temporaryFolder, texts, tinyGpt2 } from "./helpers.js";

it("resumes to the same bytes for any schedule", async () => {
  const [users, items] = [8, 6];
  const backbone = await Backbone.open(tinyGpt2);
  const model = new BaseModel(backbone, { users, items });
  const tables = initialTables({ users, items, width: 8, seed: 2, priorDeviation: 0.4, contentDeviation: 0.1 });
  const run = async (chosen: Partial<PretrainOptions>, directory: string, stopAfter?: number) => {
    const stop = new AbortController();
    const tasks: string[] = [];
    const result = await pretrain({
      model,
      tokenizer: asciiTokenizer(users, items),
      tables,
      train: choices(users, items),
      texts: texts(users, items),
      batch: { documents: 3 },
      textBatch: { documents: 4 },
      dropout: 0.2,
      ...chosen,
      stop: stop.signal,
      output: { directory, backboneId: "tiny" },
      onEvent: (event) => {
        if (event.type !== "step") return;
        tasks.push(event.task);
        if (event.update === stopAfter) stop.abort();
      },
    });
    return { ...result, tasks };
  };
  const steps = fc.constantFrom("epoch" as const, 1, 2, 4);
  const settings = fc.record({
    seed: fc.nat(),
    warmUpEpochs: fc.nat(2),
    rounds: fc.integer({ min: 1, max: 3 }),
    lSteps: steps,
    cSteps: steps,
    learningRate: fc.constantFrom(0.01, { peak: 0.05, warmup: 3, decay: { shape: "cosine" as const, total: 9 } }),
  });
  const root = temporaryFolder();
  let runs = 0;
  await fc.assert(
    fc.asyncProperty(
      settings,
      fc.integer({ min: 1, max: 12 }),
      fc.integer({ min: 1, max: 12 }),
      async (chosen, first, second) => {
        const [whole, parts] = [path.join(root, `${runs}-whole`), path.join(root, `${runs++}-parts`)];
        const expected = await run(chosen, whole);
        const seen = [await run(chosen, parts, first), await run(chosen, parts, second), await run(chosen, parts)];
        expect(seen.flatMap(({ tasks }) => tasks)).toEqual(expected.tasks);
        for (const file of ["embeddings.safetensors", "config.json", "training-state/pretrain.safetensors"]) {
          expect(fs.readFileSync(path.join(parts, file)).equals(fs.readFileSync(path.join(whole, file))), file).toBe(
            true,
          );
        }
      },
    ),
    { numRuns: 15 },
  );
  await model.dispose();
  await backbone.dispose();
});
