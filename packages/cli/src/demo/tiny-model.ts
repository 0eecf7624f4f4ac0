// A small GPT-2 with seeded random weights in Hugging Face layout: something to run where no pretrained model is at hand.
import fs from "node:fs/promises";
import path from "node:path";
import { type TensorData, writeSafetensors } from "@cllm4rec/backbone";
import { uniformNumbers } from "./random.js";

/** Words of the demo's model, N. */
export const TINY_VOCABULARY = 512;

/** What makes a GPT-2 small. */
export interface TinySizes {
  /** N */
  readonly vocabulary: number;
  /** K */
  readonly width: number;
  readonly layers: number;
  readonly heads: number;
  readonly positions: number;
}

const DEMO: TinySizes = { vocabulary: TINY_VOCABULARY, width: 256, layers: 4, heads: 8, positions: 256 };

/** Writes `config.json` and `model.safetensors` (14 MB in the demo's size) into an existing folder. */
export async function writeTinyModel(directory: string, sizes: TinySizes = DEMO): Promise<void> {
  const { vocabulary, width: K, layers, heads, positions } = sizes;
  const F = 4 * K;
  const config = {
    model_type: "gpt2",
    vocab_size: vocabulary,
    n_positions: positions,
    n_embd: K,
    n_layer: layers,
    n_head: heads,
  };
  await fs.writeFile(path.join(directory, "config.json"), `${JSON.stringify(config, null, 2)}\n`);
  const random = uniformNumbers(7);
  const tensors: Record<string, TensorData> = {};
  const add = (name: string, shape: readonly number[], scale: number, offset = 0) => {
    const size = shape.reduce((a, b) => a * b, 1);
    tensors[name] = { shape, data: Float32Array.from({ length: size }, () => offset + scale * (2 * random() - 1)) };
  };
  const linear = (name: string, from: number, to: number) => {
    add(`${name}.weight`, [from, to], Math.sqrt(3 / from)); // variance 1/from
    add(`${name}.bias`, [to], 0);
  };
  const norm = (name: string) => {
    add(`${name}.weight`, [K], 0, 1);
    add(`${name}.bias`, [K], 0);
  };
  add("wte.weight", [vocabulary, K], 0.1);
  add("wpe.weight", [positions, K], 0.05);
  for (let i = 0; i < layers; i++) {
    norm(`h.${i}.ln_1`);
    linear(`h.${i}.attn.c_attn`, K, 3 * K);
    linear(`h.${i}.attn.c_proj`, K, K);
    norm(`h.${i}.ln_2`);
    linear(`h.${i}.mlp.c_fc`, K, F);
    linear(`h.${i}.mlp.c_proj`, F, K);
  }
  norm("ln_f");
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors);
}
