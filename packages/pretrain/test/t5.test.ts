// Pretraining on T5: prompts in the encoder, main texts in the decoder; what is learnt, what is held fixed, and
// resuming to the same bits.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel, TrainableBackbone } from "@cllm4rec/backbone";
import type { DocumentSource, EncoderDecoderDocument } from "@cllm4rec/corpus";
import { type PretrainOptions, pretrain } from "@cllm4rec/pretrain";
import { asciiTokenizer, t5Weights, tinyT5Config } from "@cllm4rec/testing";
import type { StepDone, TrainingEvent } from "@cllm4rec/training";
import { initialTables } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, expect, it } from "vitest";
import { choices, temporaryFolder } from "./helpers.js";

const [users, items, width] = [12, 10, 16];
const train = choices(users, items);
const tokenizer = asciiTokenizer(users, items);
const tables = initialTables({ users, items, width, seed: 3, priorDeviation: 0.3, contentDeviation: 0.1 });

/** One short text about every item by user j mod I: "aaa." of the first half, "bbb." of the second. */
const texts: DocumentSource<EncoderDecoderDocument> = {
  length: items,
  maxLength: 7,
  identity: "texts for two sequences",
  lengthAt: () => 7,
  document(item) {
    const letter = item < items / 2 ? 97 : 98;
    return {
      encoderIds: Int32Array.of(128 + (item % users), 128 + users + item, 1),
      decoderIds: Int32Array.of(0, letter, letter, letter),
      targets: Int32Array.of(letter, letter, letter, 46),
    };
  },
};

let backbone: Backbone;
let model: BaseModel;
let folder = "";
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-pretrain-t5-"));
  const random = TrainableBackbone.create(tinyT5Config({ words: 128, width }), t5Weights());
  await random.save(folder);
  await random.dispose();
  backbone = await Backbone.open(folder);
  model = new BaseModel(backbone, { users, items });
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
  fs.rmSync(folder, { recursive: true, force: true });
});

async function run(changes: Partial<PretrainOptions> = {}) {
  const events: TrainingEvent[] = [];
  const result = await pretrain({
    ...{ model, tokenizer, tables, train, texts, seed: 1, warmUpEpochs: 2, rounds: 12, lambdaC: 0.01 },
    ...{ batch: { documents: 6 }, textBatch: { documents: 5 }, learningRate: 0.03, now: () => 0 },
    ...changes,
    onEvent: (event) => {
      events.push(event);
      changes.onEvent?.(event);
    },
  });
  return { ...result, steps: events.filter((event): event is StepDone => event.type === "step") };
}

it("lowers both losses, and leaves the LM as it is", async () => {
  const before = await backbone.fileHashes();
  const { steps, tables: learnt } = await run({ rounds: 30 });
  const losses = (tasks: readonly string[]) =>
    steps.filter(({ task }) => tasks.includes(task)).map(({ languageModel }) => languageModel);
  const mean = (part: number[]) => part.reduce((a, b) => a + b) / part.length;
  for (const [share, ...tasks] of [
    [0.85, "l-step"],
    [0.9, "warm-up", "c-step"],
  ] as const) {
    const found = losses(tasks);
    expect(mean(found.slice(-4)), tasks.join()).toBeLessThan(share * mean(found.slice(0, 2)));
  }
  for (const side of ["collaborative", "content"] as const) {
    for (const kind of ["users", "items"] as const) expect(learnt[side]![kind]).not.toEqual(tables[side]![kind]);
  }
  expect(await backbone.fileHashes()).toEqual(before);
});

it("counts the prompts of the encoder among the tokens, and computes little more than them", async () => {
  const { steps } = await run({ warmUpEpochs: 1, rounds: 0 });
  for (const { usefulTokens, computedTokens } of steps) {
    expect(usefulTokens).toBe(5 * 7);
    expect(computedTokens).toBe(5 * 7);
  }
});

it("ends with the same bytes when it is stopped and started again, LM dropout and all", async () => {
  const settings = (directory: string): Partial<PretrainOptions> => ({
    ...{ rounds: 2, dropout: 0.1, backboneDropout: true, output: { directory, backboneId: "random T5" } },
  });
  const files = (directory: string) =>
    ["embeddings.safetensors", "training-state/pretrain.safetensors"].map((name) =>
      fs.readFileSync(path.join(directory, name)).toString("hex"),
    );
  const whole = temporaryFolder();
  const { updates } = await run(settings(whole));
  for (const stopAfter of [1, 5, updates - 1]) {
    const directory = temporaryFolder();
    const stop = new AbortController();
    const onEvent = (event: TrainingEvent) => {
      if (event.type === "step" && event.update === stopAfter) stop.abort();
    };
    expect((await run({ ...settings(directory), stop: stop.signal, onEvent })).reason).toBe("stopped");
    await run(settings(directory));
    expect(files(directory), `stopped after update ${stopAfter}`).toEqual(files(whole));
  }
});
