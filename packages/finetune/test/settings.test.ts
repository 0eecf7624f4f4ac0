// Settings and their defaults: undefined is the default, everything is checked before anything is written, and the
// rates are the command's.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { checkFinetune, type FinetuneOptions, finetune } from "@cllm4rec/finetune";
import { asciiTokenizer } from "@cllm4rec/testing";
import type { StepDone } from "@cllm4rec/training";
import { initialTables, startingTables } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { itemTexts, temporaryFolder, tinyGpt2, twoTastes } from "./helpers.js";

const [users, items] = [24, 16];
const { train } = twoTastes(users, items);
const tokenizer = asciiTokenizer(users, items);

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

async function steps(changes: Partial<FinetuneOptions>): Promise<StepDone[]> {
  const done: StepDone[] = [];
  await finetune({
    ...{ model, tokenizer, train, epochs: 1, batch: 8, ...changes },
    onEvent: (event) => event.type === "step" && done.push({ ...event, milliseconds: 0 }),
  });
  return done;
}

const contentTables = () =>
  initialTables({ users, items, width: 16, seed: 3, priorDeviation: 0.3, contentDeviation: 0.1 });

it("takes undefined for the default, of every setting", async () => {
  const tables = contentTables();
  const names = [
    "lambdaC",
    "userToken",
    "averageDecay",
    "maskedShare",
    "adam",
    "learningRate",
    "seed",
    "order",
    "scaling",
  ];
  const undefineds = Object.fromEntries(names.map((name) => [name, undefined]));
  const plain = await steps({ tables });
  expect(await steps({ tables, ...undefineds })).toEqual(plain);
  for (const { mutual } of plain) expect(mutual).toBeGreaterThan(0); // λ_c is not silently 0
});

it("begins and learns by the backbone's scale by default, as the command line does", async () => {
  const deviation = 0.1 * (await backbone.vocabularyDeviation());
  const [first] = await steps({ texts: itemTexts(users, items), textTokens: 64 });
  expect(first!.learningRate).toBe(0.03 * deviation);
  const content = (await steps({ texts: itemTexts(users, items), textTokens: 64 })).find(
    ({ task }) => task === "c-step",
  );
  expect(content!.learningRate).toBe(0.2 * deviation);
  const tables = await startingTables({ model, content: true });
  expect((await steps({ tables, texts: itemTexts(users, items), textTokens: 64 }))[0]).toEqual(first);
  const square = tables.collaborative.items.data.reduce((sum, z) => sum + z * z, 0) / (items * 16);
  expect(Math.sqrt(square) / deviation).toBeCloseTo(1, 0);
});

describe("before anything is written", () => {
  it.each<[Partial<FinetuneOptions>, RegExp]>([
    [{ maskedShare: [0.8, 0.2] }, /maskedShare is \[0\.8,0\.2\]/],
    [{ lambdaC: -1 }, /lambdaC: found -1, expected a number of at least 0/],
    [{ lambdaL: Number.NaN }, /lambdaL: found NaN, expected a number of at least 0/],
    [{ clipNorm: 0 }, /clipNorm: found 0, expected a number above 0/],
    [{ saveEverySeconds: -1 }, /saveEverySeconds: found -1/],
    [{ adam: { beta1: 1 } }, /adam\.beta1: found 1, expected a number from 0 to below 1/],
    [{ metrics: ["recall@20", "recall@20"] }, /twice/],
    [
      { learningRate: { peak: 0.1, warmup: 9, decay: { shape: "linear", total: 5 } } },
      /found decay\.total 5, expected an integer above the warm-up's 9/,
    ],
  ])("refuses %j", async (changes, message) => {
    const directory = path.join(temporaryFolder(), "model");
    const options = { model, tokenizer, train, tables: contentTables(), output: { directory, backboneId: "tiny" } };
    expect(() => checkFinetune({ ...options, ...changes })).toThrow(message);
    await expect(finetune({ ...options, ...changes })).rejects.toThrow(message);
    expect(fs.existsSync(directory)).toBe(false);
  });

  it("refuses texts longer than their batches, and NaN in a table by its name and row", () => {
    const tables = contentTables();
    const options = { model, tokenizer, train, tables, texts: itemTexts(users, items) };
    expect(() => checkFinetune({ ...options, textTokens: 4 })).toThrow(/more than a batch of 4 tokens takes/);
    tables.content!.users.data[5 * 16 + 3] = Number.NaN;
    expect(() => checkFinetune(options)).toThrow("tables: content.users, row 5: found NaN, expected finite numbers");
  });
});
