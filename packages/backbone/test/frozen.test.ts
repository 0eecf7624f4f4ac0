// Frozen means: after training the files hold the same bytes, and only soft rows have had a gradient. Nor does memory
// grow on the way.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { type LossResult, type RowGradients, readSafetensorsHeader, type SoftTables } from "@cllm4rec/backbone";
import { describe, expect, it } from "vitest";
import { modelDirectory, modelOpener, table } from "./goldens.js";

const open = modelOpener();
const RATE = 0.3;

const sha256 = (file: string) => createHash("sha256").update(fs.readFileSync(file)).digest("hex");

function descend({ data: embeddings }: { data: Float32Array }, { rows, data }: RowGradients, width: number): void {
  rows.forEach((row, r) => {
    for (let k = 0; k < width; k++) embeddings[row * width + k]! -= RATE * data[r * width + k]!;
  });
}

/** Steps of gradient descent, the three heads in turn; the losses in the order of the steps. */
async function train(name: string, steps: number, onStep?: (step: number) => void) {
  const folder = path.join(open.folder, name);
  fs.cpSync(modelDirectory(name), folder, { recursive: true });
  const backbone = await open.backbone(folder);
  const model = open.model(backbone, { users: 4, items: 6 });
  const { words, width } = model.vocabulary;
  const rows = (n: number) =>
    table(
      Float32Array.from({ length: n * width }, (_, k) => 0.3 * Math.sin(3 * k + n)),
      width,
    );
  const tables: SoftTables = { users: rows(4), items: rows(6) };
  const [user, item] = [(i: number) => words + i, (j: number) => words + 4 + j];
  const files = () =>
    Object.fromEntries(
      fs.readdirSync(folder).map((file) => [path.join(folder, file), sha256(path.join(folder, file))]),
    );
  const before = { files: files(), hashes: await backbone.fileHashes(), mapped: {} };
  before.mapped = Object.fromEntries(Object.keys(before.hashes).map((file) => [file, sha256(file)]));
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    // Ragged, another shape at every step
    const words = Array.from({ length: 1 + ((step * 7) % 13) }, (_, t) => 1 + ((t * 5) % 40));
    let result: LossResult;
    if (step % 3 === 0) {
      result = await model.nextItemLoss(
        [{ ids: [user(1), item(2), item(3)], targets: [item(2), item(3), item(0)] }],
        tables,
      );
    } else if (step % 3 === 1) {
      const targets = [-1, ...words.slice(1), 7, 8].slice(0, words.length + 1);
      result = await model.nextWordLoss(
        [{ ids: [user(1), ...words], targets: [words[0]!, ...targets.slice(1)] }],
        tables,
      );
    } else {
      result = await model.heldOutLoss([{ ids: [user(2), item(4), ...words], heldOut: [1, 5] }], tables);
    }
    losses.push(result.loss);
    descend(tables.users, result.gradients!.users, width);
    descend(tables.items, result.gradients!.items, width);
    onStep?.(step);
  }
  return { folder, backbone, before, after: { files: files(), hashes: await backbone.fileHashes() }, losses, tables };
}

// In place (F32), converted into a cache (BF16), and in shards.
describe.each(["gpt2", "llama-rope-linear", "mistral"])("%s", (name) => {
  it("has the same bytes before and after 20 steps of training, in which the losses fell", async () => {
    const { before, after, losses, tables } = await train(name, 21);
    expect(after.files).toEqual(before.files);
    expect(after.hashes).toEqual(before.hashes);
    expect(before.hashes).toEqual(before.mapped); // fileHashes are what sha256 says of those files
    expect(Object.keys(before.hashes).length).toBeGreaterThan(0);
    for (const kind of [0, 2]) expect(losses[18 + kind]!).toBeLessThan(losses[kind]!);
    expect(losses.every(Number.isFinite)).toBe(true);
    // User 0 was in no document: its row is as it was.
    const { data } = tables.users;
    const width = data.length / 4;
    expect(data.slice(0, width)).toEqual(Float32Array.from({ length: width }, (_, k) => 0.3 * Math.sin(3 * k + 4)));
  });
});

it("lists every weight of the file by name, and nothing else", async () => {
  const backbone = await open.backbone(modelDirectory("gpt2"));
  const { tensors } = await readSafetensorsHeader(path.join(modelDirectory("gpt2"), "model.safetensors"));
  const weights = [...tensors.values()].filter(({ name }) => !/\.attn\.bias$/.test(name));
  expect([...backbone.weightNames].sort()).toEqual(weights.map(({ name }) => name).sort());
  expect(backbone.weightNames).toHaveLength(28);
  const elements = weights.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  expect(backbone.parameterCount).toBe(elements);
  expect(backbone.contentHash).toBe(sha256(path.join(modelDirectory("gpt2"), "model.safetensors")));
});

it("does not take more and more memory from step to step", async () => {
  const resident: number[] = [];
  await train("llama-gqa", 240, (step) => {
    if (step % 40 === 39) resident.push(process.memoryUsage.rss());
  });
  // A batch kept from every step would be some hundred kilobytes each; bench/memory.mjs looks at 500 steps of a larger
  // model.
  expect(resident.at(-1)! - resident[1]!).toBeLessThan(48 * 2 ** 20);
});
