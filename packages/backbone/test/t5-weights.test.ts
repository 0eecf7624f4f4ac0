// T5 in full training: gradients of every weight of encoder and decoder against PyTorch, and a directory that opens
// again as it was.
import path from "node:path";
import { BaseModel, type RowGradients, TrainableBackbone } from "@cllm4rec/backbone";
import { afterAll, describe, expect, it } from "vitest";
import {
  expectRelative,
  goldenRecord,
  goldenTensors,
  modelDirectory,
  modelOpener,
  noSoftTokens,
  table,
} from "./goldens.js";

type Documents = readonly (readonly [encoderIds: number[], decoderIds: number[], targets: number[]])[];

interface Golden {
  readonly users: number;
  readonly words: { readonly documents: Documents; readonly loss: number };
  readonly items: { readonly documents: Documents; readonly loss: number; readonly count: number };
}

const open = modelOpener();
const weights = { cacheDirectory: path.join(open.folder, "cache") };
const opened: TrainableBackbone[] = [];
afterAll(async () => {
  for (const backbone of opened) await backbone.dispose();
});

async function trainable(directory: string): Promise<TrainableBackbone> {
  const backbone = await TrainableBackbone.open(directory, { weights });
  opened.push(backbone);
  return backbone;
}

const documentsOf = (documents: Documents) =>
  documents.map(([encoderIds, decoderIds, targets]) => ({ encoderIds, decoderIds, targets }));

/** The whole table's gradient: zero for rows that are not listed. */
function dense({ rows, data }: RowGradients, count: number, width: number): Float32Array {
  const all = new Float32Array(count * width);
  for (const [r, row] of rows.entries()) all.set(data.subarray(r * width, (r + 1) * width), row * width);
  return all;
}

describe.each(["t5", "t5-gated", "umt5"])("%s", (name) => {
  it("gives PyTorch's gradient of every weight for text", async () => {
    const backbone = await trainable(modelDirectory(name));
    const golden = await goldenTensors(`weights-${name}`);
    const { documents, loss } = goldenRecord<Golden>(`weights-${name}`).words;
    const model = new BaseModel(backbone, { users: 0, items: 0 });
    const result = await model.nextWordLoss(documentsOf(documents), noSoftTokens);
    expectRelative([result.loss], [loss], "loss");
    const gradients = result.gradients!.weights!;
    expect(Object.keys(gradients).sort()).toEqual([...backbone.weights.keys()].sort());
    for (const [weight, gradient] of Object.entries(gradients))
      expectRelative(gradient, golden(`words.${weight}`), weight, 2e-4);
    await model.dispose();
  });
});

it.each(["t5-gated", "umt5"])("gives PyTorch's gradients of weights and soft tokens at once: %s", async (name) => {
  const backbone = await trainable(modelDirectory(name));
  const golden = await goldenTensors(`weights-${name}`);
  const record = goldenRecord<Golden>(`weights-${name}`);
  const sizes = { users: record.users, items: record.items.count };
  const model = new BaseModel(backbone, sizes);
  const width = backbone.config.hiddenSize;
  const tables = { users: table(golden("users"), width), items: table(golden("items"), width) };
  const result = await model.nextItemLoss(documentsOf(record.items.documents), tables);
  expectRelative([result.loss], [record.items.loss], "loss");
  for (const kind of ["users", "items"] as const)
    expectRelative(dense(result.gradients![kind], sizes[kind], width), golden(`items.${kind}`), kind);
  const gradients = result.gradients!.weights!;
  // A head of its own for words has no part in a loss over items.
  const used = [...backbone.weights.keys()].filter((weight) => weight !== "lm_head.weight");
  expect(Object.keys(gradients).sort()).toEqual(used.sort());
  for (const [weight, gradient] of Object.entries(gradients))
    expectRelative(gradient, golden(`items.${weight}`), weight, 2e-4);
  await model.dispose();
});

it("is saved as a directory that opens as the same T5", async () => {
  const first = await trainable(modelDirectory("t5"));
  const folder = path.join(open.folder, "saved");
  await first.save(folder);
  const second = await trainable(folder);
  expect(second.config).toEqual(first.config);
  expect(second.layout).toEqual(first.layout);
  for (const [name, { data }] of first.weights) expect(second.weights.get(name)!.data).toEqual(data);
});
