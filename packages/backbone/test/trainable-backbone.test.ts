// Full training: gradients of every weight against PyTorch and finite differences, and directories that others can
// open.
import fs from "node:fs";
import path from "node:path";
import { BaseModel, type LossResult, type RowGradients, TrainableBackbone } from "@cllm4rec/backbone";
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

interface Golden {
  readonly documents: readonly (readonly [number[], number[]])[];
  readonly loss: number;
}
interface GoldenWeights {
  readonly users: number;
  readonly words: Golden;
  readonly items: Golden & { readonly count: number };
}

const open = modelOpener();
const opened: TrainableBackbone[] = [];
afterAll(async () => {
  for (const backbone of opened) await backbone.dispose();
});

async function trainable(name: string): Promise<TrainableBackbone> {
  const backbone = await TrainableBackbone.open(modelDirectory(name), {
    weights: { cacheDirectory: path.join(open.folder, "cache") },
  });
  opened.push(backbone);
  return backbone;
}

const documentsOf = ({ documents }: Golden) => documents.map(([ids, targets]) => ({ ids, targets }));

/** What PyTorch calls a weight; a tied matrix goes by the name of the embeddings. */
function torchName(model: string, weight: string): string {
  if (weight === "embed_out.weight") return "lm_head.weight"; // GPT-NeoX in transformers 5
  return model.startsWith("gpt2") && weight !== "lm_head.weight" ? `transformer.${weight}` : weight;
}

/**
 * As {@link expectRelative}. A bias of keys that are not turned adds the same to all scores of a query, which softmax
 * does not see: its gradient is 0, and what either side computes is rounding.
 */
function expectGradient(actual: Float32Array, expected: Float32Array, weight: string): void {
  if (/^model\.decoder\..*\.k_proj\.bias$/.test(weight)) {
    for (const gradient of [actual, expected])
      for (const element of gradient) expect(Math.abs(element), weight).toBeLessThan(1e-6);
  } else {
    expectRelative(actual, expected, weight);
  }
}

/** The whole table's gradient: zero for rows that are not listed. */
function dense({ rows, data }: RowGradients, count: number, width: number): Float32Array {
  const all = new Float32Array(count * width);
  for (const [r, row] of rows.entries()) all.set(data.subarray(r * width, (r + 1) * width), row * width);
  return all;
}

function weightGradients({ gradients }: LossResult): Readonly<Record<string, Float32Array>> {
  if (!gradients?.weights) throw new Error("no gradients of weights");
  return gradients.weights;
}

const GOLDEN = [
  ...["gpt2-relu", "gpt2-untied", "llama-gqa", "qwen2"],
  ...["gemma3", "gpt-neox", "opt-bare", "opt-projected", "phi3", "qwen3-window", "smollm3-window"],
];

describe.each(GOLDEN)("%s", (name) => {
  const record = goldenRecord<GoldenWeights>(`weights-${name}`);

  it("gives PyTorch's gradient of every weight for text; a tied matrix gets the sum of both ends", async () => {
    const [backbone, golden] = [await trainable(name), await goldenTensors(`weights-${name}`)];
    const model = new BaseModel(backbone, { users: 0, items: 0 });
    const result = await model.nextWordLoss(documentsOf(record.words), noSoftTokens);
    expectRelative([result.loss], [record.words.loss], "loss");
    const before = weightGradients(result);
    expect(Object.keys(before).sort()).toEqual([...backbone.weights.keys()].sort());
    // Once more, in the memory of the first.
    const again = await model.nextWordLoss(documentsOf(record.words), noSoftTokens, {
      reusableGradients: result.gradients!,
    });
    const weights = weightGradients(again);
    for (const gradient of Object.values(before)) expect(gradient).toHaveLength(0);
    for (const [weight, gradient] of Object.entries(weights))
      expectGradient(gradient, golden(`words.${torchName(name, weight)}`), weight);
    await model.dispose();
  });

  it("gives PyTorch's gradients of weights and soft tokens at once", async () => {
    const [backbone, golden] = [await trainable(name), await goldenTensors(`weights-${name}`)];
    const sizes = { users: record.users, items: record.items.count };
    const model = new BaseModel(backbone, sizes);
    const width = backbone.config.hiddenSize;
    const tables = { users: table(golden("users"), width), items: table(golden("items"), width) };
    const result = await model.nextItemLoss(documentsOf(record.items), tables);
    expectRelative([result.loss], [record.items.loss], "loss");
    for (const kind of ["users", "items"] as const)
      expectRelative(dense(result.gradients![kind], sizes[kind], width), golden(`items.${kind}`), kind);
    const weights = weightGradients(result);
    // A head of its own for words has no part in a loss over items.
    const used = [...backbone.weights.keys()].filter((weight) => torchName(name, weight) !== "lm_head.weight");
    expect(Object.keys(weights).sort()).toEqual(used.sort());
    for (const [weight, gradient] of Object.entries(weights))
      expectGradient(gradient, golden(`items.${torchName(name, weight)}`), weight);
    await model.dispose();
  });
});

describe.each(["gpt2", "llama-gqa", "gemma3", "gpt-neox", "opt-projected"])("%s", (name) => {
  const documents = [
    { ids: [1, 2, 3, 4, 5], targets: [2, 3, 4, 5, 6] },
    { ids: [7, 8, 1], targets: [8, 1, 2] },
  ];

  it("has gradients that finite differences confirm, and uses weights as they are at the time", async () => {
    const backbone = await trainable(name);
    const model = new BaseModel(backbone, { users: 0, items: 0 });
    const loss = async () => (await model.nextWordLoss(documents, noSoftTokens, { gradients: false })).loss;
    const weights = weightGradients(await model.nextWordLoss(documents, noSoftTokens));
    for (const [weight, { data }] of backbone.weights) {
      // Along a fixed direction of length 1, so that the slope is well above the rounding of a float32 loss.
      const direction = Float32Array.from(data, (_, i) => Math.sin(1 + 7 * i));
      const length = Math.sqrt(direction.reduce((sum, d) => sum + d * d, 0));
      const before = data.slice();
      const at = async (step: number) => {
        for (const [i, x] of before.entries()) data[i] = x + (step * direction[i]!) / length;
        return loss();
      };
      const step = 0.01;
      const slope = ((await at(step)) - (await at(-step))) / (2 * step);
      data.set(before);
      const expected = direction.reduce((sum, d, i) => sum + (d * weights[weight]![i]!) / length, 0);
      expect(Math.abs(slope - expected), `${weight}: ${slope}, ${expected}`).toBeLessThan(
        2e-3 + 1e-2 * Math.abs(expected),
      );
    }
    await model.dispose();
  });

  it("writes a directory that Backbone.open reads, with the tokenizer's files, and changes nothing else", async () => {
    const source = path.join(open.folder, `${name}-source`);
    fs.cpSync(modelDirectory(name), source, { recursive: true });
    fs.writeFileSync(path.join(source, "tokenizer.json"), "{}");
    const original = fs.readFileSync(path.join(source, "model.safetensors"));
    const backbone = await TrainableBackbone.open(source);
    opened.push(backbone);
    const { data } = [...backbone.weights.values()][0]!;
    data[3] = 0.25;
    const folder = path.join(open.folder, `${name}-saved`);
    await backbone.save(folder);
    expect(fs.readdirSync(folder).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(fs.readFileSync(path.join(source, "model.safetensors")).equals(original)).toBe(true);

    const model = new BaseModel(backbone, { users: 0, items: 0 });
    const frozen = await open.backbone(folder);
    const [ours, theirs] = [
      await model.nextWordLoss(documents, noSoftTokens, { gradients: false }),
      await open.model(frozen, { users: 0, items: 0 }).nextWordLoss(documents, noSoftTokens, { gradients: false }),
    ];
    expectRelative([theirs.loss], [ours.loss], "loss", 1e-6);
    expect(frozen.parameterCount).toBe(backbone.parameterCount);
    await model.dispose();
  });
});

describe("TrainableBackbone", () => {
  it("is made from a config and a function that fills the weights", async () => {
    const json = JSON.parse(fs.readFileSync(path.join(modelDirectory("gpt2"), "config.json"), "utf8"));
    const made = TrainableBackbone.create(json, ({ shape }) => new Float32Array(shape.reduce((a, b) => a * b, 1)));
    opened.push(made);
    const original = await trainable("gpt2");
    const shapes = (backbone: TrainableBackbone) => [...backbone.weights].map(([name, { shape }]) => [name, shape]);
    expect(shapes(made)).toEqual(shapes(original));
    expect(made.parameterCount).toBe(original.parameterCount);
    expect(() => TrainableBackbone.create(json, () => new Float32Array(3))).toThrow(
      /^weight wte\.weight: found 3 numbers, expected 800 for the shape \[50, 16\]$/,
    );
  });

  it("says which file cannot be written", async () => {
    const backbone = await trainable("gpt2");
    const file = path.join(open.folder, "a-file");
    fs.writeFileSync(file, "");
    await expect(backbone.save(path.join(file, "model"))).rejects.toThrow(/a-file\/model: cannot be written: /);
  });
});
