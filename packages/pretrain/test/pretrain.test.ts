// Pretraining a tiny random GPT-2's tokens: order of the phases, what each moves, LLM-CF, resuming, refusals.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { type PretrainOptions, type PretrainProgress, pretrain } from "@cllm4rec/pretrain";
import { asciiTokenizer } from "@cllm4rec/testing";
import type { StepDone, TrainingEvent } from "@cllm4rec/training";
import { readModel, writeModel } from "@cllm4rec/training/model";
import { initialTables } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { choices, temporaryFolder, texts, tinyGpt2 } from "./helpers.js";

const [users, items] = [12, 10];
const train = choices(users, items);
const tokenizer = asciiTokenizer(users, items);
const tables = initialTables({ users, items, width: 8, seed: 3, priorDeviation: 0.4, contentDeviation: 0.2 });

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

async function run(changes: Partial<PretrainOptions> = {}) {
  const events: TrainingEvent[] = [];
  const result = await pretrain({
    model,
    tokenizer,
    tables,
    train,
    texts: texts(users, items),
    seed: 1,
    warmUpEpochs: 1,
    rounds: 2,
    batch: { documents: 6 },
    textBatch: { documents: 5 },
    learningRate: 0.02,
    now: () => 0,
    ...changes,
    onEvent: (event) => {
      events.push(event);
      changes.onEvent?.(event);
    },
  });
  const steps = events.filter((event): event is StepDone => event.type === "step");
  return { ...result, events, steps };
}

const { collaborative } = tables;
/** A run without texts: the key is absent, not undefined. */
async function runCf(changes: Partial<PretrainOptions> = {}) {
  const events: TrainingEvent[] = [];
  const result = await pretrain({
    model,
    tokenizer,
    tables,
    train,
    rounds: 2,
    batch: { documents: 6 },
    learningRate: 0.02,
    ...changes,
    onEvent: (event) => events.push(event),
  });
  return { ...result, events, steps: events.filter((event): event is StepDone => event.type === "step") };
}

describe("phases", () => {
  it("warms the content up without regulariser, then alternates by epochs", async () => {
    const { steps, reason } = await run();
    expect(steps.map(({ phase, task, round }) => `${round} ${phase} ${task}`)).toEqual([
      ...Array(2).fill("0 warm-up warm-up"),
      ...[1, 2].flatMap((round) => [
        ...Array(2).fill(`${round} alternation l-step`),
        ...Array(2).fill(`${round} alternation c-step`),
      ]),
    ]);
    for (const { task, mutual } of steps)
      task === "warm-up" ? expect(mutual).toBe(0) : expect(mutual).toBeGreaterThan(0);
    expect(reason).toBe("finished");
  });

  it("or by steps, each side continuing with its next batch", async () => {
    const { steps } = await run({ warmUpEpochs: 0, rounds: 3, lSteps: 1, cSteps: 3 });
    expect(steps.map(({ task }) => task).join(" ")).toBe("l-step c-step c-step c-step ".repeat(3).trim());
  });

  it("moves the content tables in the warm-up, and the collaborative ones in L-steps alone", async () => {
    const warm = await run({ rounds: 0 });
    expect(warm.tables.collaborative).toEqual(collaborative);
    expect(warm.tables.content!.items.data).not.toEqual(tables.content!.items.data);
    const l = await run({ warmUpEpochs: 0, rounds: 1, lSteps: 1, cSteps: 1, contentLearningRate: 1e-30 });
    expect(l.tables.content).toEqual(tables.content);
    expect(l.tables.collaborative.users.data).not.toEqual(collaborative.users.data);
  });

  it("lowers the losses of both language models, and leaves the LM's files as they are", async () => {
    const before = await backbone.fileHashes();
    const { steps } = await run({ warmUpEpochs: 3, rounds: 25, lambdaC: 0.1, contentLearningRate: 0.1 });
    const mean = (part: StepDone[]) => part.reduce((sum, { languageModel }) => sum + languageModel, 0) / part.length;
    const l = steps.filter(({ task }) => task === "l-step");
    const content = steps.filter(({ task }) => task !== "l-step");
    expect(mean(l.slice(-4))).toBeLessThan(0.8 * mean(l.slice(0, 4)));
    expect(mean(content.slice(-4))).toBeLessThan(0.92 * mean(content.slice(0, 4))); // the head is frozen, and random
    expect(await backbone.fileHashes()).toEqual(before);
  });

  it("draws the two sides together, the more the larger λ_c", async () => {
    const distance = async (lambdaC: number) => {
      const { collaborative: l, content: c } = (await run({ rounds: 6, lambdaC, scaling: "released-code" })).tables;
      return l.items.data.reduce((sum, z, i) => sum + (z - c!.items.data[i]!) ** 2, 0);
    };
    const [none, some, much] = [await distance(0), await distance(0.3), await distance(30)];
    expect(some).toBeLessThan(none);
    expect(much).toBeLessThan(some);
  });

  it("is the same for the same seed, and another for another seed, order or dropout", async () => {
    const losses = async (changes: Partial<PretrainOptions>) =>
      (await run({ rounds: 1, ...changes })).steps.map(({ languageModel }) => languageModel);
    const first = await losses({});
    expect(await losses({})).toEqual(first);
    for (const changes of [{ seed: 2 }, { order: "fixed" }, { dropout: 0.3 }, { backboneDropout: true }] as const) {
      expect(await losses(changes), JSON.stringify(changes)).not.toEqual(first);
    }
  });
});

describe("without texts", () => {
  it("is the paper's LLM-CF and says so: L-steps alone, no regulariser, no content tables in the result", async () => {
    const { steps, events, tables: trained } = await runCf();
    expect(events[0]).toMatchObject({ type: "notice", code: "no-text", message: expect.stringContaining("LLM-CF") });
    expect(new Set(steps.map(({ task, mutual }) => `${task} ${mutual}`))).toEqual(new Set(["l-step 0"]));
    expect(trained).not.toHaveProperty("content");
    const plain = await runCf({ tables: { collaborative } });
    expect(plain.tables).toEqual(trained);
  });

  it("shrinks towards 0 with λ_l", async () => {
    const size = async (lambdaL: number) =>
      (await runCf({ lambdaL, rounds: 8 })).tables.collaborative.items.data.reduce((sum, z) => sum + z * z, 0);
    expect(await size(5)).toBeLessThan(0.8 * (await size(0)));
  });
});

describe("stopping and resuming", () => {
  const files = (folder: string) =>
    ["embeddings.safetensors", "config.json", "training-state/pretrain.safetensors"].map((name) =>
      fs.readFileSync(path.join(folder, name)).toString("hex"),
    );
  const settings = (directory: string): Partial<PretrainOptions> => ({
    output: { directory, backboneId: "tiny", settings: { dataset: "choices" } },
    lSteps: 1,
    dropout: 0.1,
  });

  it("ends with the same bytes when it is stopped after any update and started again", async () => {
    const whole = temporaryFolder();
    const { updates } = await run(settings(whole));
    expect(updates).toBe(8);
    for (let stopAfter = 1; stopAfter < updates; stopAfter++) {
      const folder = temporaryFolder();
      const stop = new AbortController();
      const onEvent = (event: TrainingEvent) => {
        if (event.type === "step" && event.update === stopAfter) stop.abort();
      };
      expect((await run({ ...settings(folder), stop: stop.signal, onEvent })).reason).toBe("stopped");
      expect((await readModel(folder)).description.settings).toMatchObject({ pretrain: { complete: false } });
      await run(settings(folder));
      expect(files(folder), `stopped after update ${stopAfter}`).toEqual(files(whole));
    }
    const { description, tables: saved } = await readModel(whole);
    expect(description).toMatchObject({ stage: "pretrain", settings: { dataset: "choices", pretrain: { lSteps: 1 } } });
    expect(saved.content).toBeDefined();
  });

  it("gives the finished tables again without touching the model that finetuning put in their place", async () => {
    const folder = temporaryFolder();
    const first = await run(settings(folder));
    const { description } = await readModel(folder);
    await writeModel(folder, { description: { ...description, stage: "finetune" }, tables });
    const again = await run(settings(folder));
    expect(again.steps).toEqual([]);
    expect(again.tables).toEqual(first.tables);
    expect((await readModel(folder)).description.stage).toBe("finetune");
  });

  it("lets the caller look on after every round, and stop", async () => {
    const seen: PretrainProgress[] = [];
    const { reason, updates } = await run({
      rounds: 5,
      afterRound: async (progress) => (seen.push(progress) === 2 ? "stop" : "continue"),
    });
    expect(seen.map(({ round, update }) => [round, update])).toEqual([
      [0, 6],
      [1, 10],
    ]);
    expect({ reason, updates }).toEqual({ reason: "early", updates: 10 });
  });

  it("refuses to resume with other settings", async () => {
    const folder = temporaryFolder();
    await run(settings(folder));
    await expect(run({ ...settings(folder), lambdaC: 2 })).rejects.toThrow(/begun with lambdaC 0.1, now it is 2/);
  });
});

it.each([
  [{ rounds: -1 }, /rounds: found -1/],
  [{ warmUpEpochs: 0.5 }, /warmUpEpochs: found 0.5/],
  [{ lSteps: 0 }, /lSteps: found 0/],
  [{ dropout: 1 }, /dropout: found 1/],
  [{ tables: { collaborative } }, /text documents without content tables/],
  [{ learningRate: -1 }, /learning rate: found peak -1/],
  [{ maxLength: 5 }, /leaves no room/],
] as const)("refuses %j", async (changes, message) => {
  await expect(run(changes)).rejects.toThrow(message);
});
