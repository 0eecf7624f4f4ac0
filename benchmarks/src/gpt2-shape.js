// Checkpoints of GPT-2's shape (124M, or smaller) with seeded random weights, written once into the user's cache: speed
// does not depend on values.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { writeSafetensors } from "@cllm4rec/backbone";

const positions = 1024;

/** @typedef {{ name: string; width: number; layers: number; heads: number; words: number }} Shape */

/** @type {Shape} */
export const gpt2Small = { name: "gpt2-124m-random", width: 768, layers: 12, heads: 12, words: 50257 };
/** @type {Shape} */
export const gpt2Tiny = { name: "gpt2-tiny-random", width: 128, layers: 2, heads: 4, words: 2048 };

/** @param {Shape} shape @returns {Promise<string>} the model directory */
export async function gpt2ShapedDirectory({ name: folder, width: K, layers, heads, words: N }) {
  const F = 4 * K;
  const cache = process.env.XDG_CACHE_HOME ?? path.join(os.homedir(), ".cache");
  const directory = path.join(cache, "cllm4rec-bench", folder);
  if (fs.existsSync(path.join(directory, "model.safetensors"))) return directory;
  fs.mkdirSync(directory, { recursive: true });
  const config = {
    model_type: "gpt2",
    vocab_size: N,
    n_positions: positions,
    n_embd: K,
    n_layer: layers,
    n_head: heads,
  };
  fs.writeFileSync(path.join(directory, "config.json"), JSON.stringify(config, null, 2));
  const random = uniform(1);
  /** @type {Record<string, { shape: number[]; data: Float32Array }>} */
  const tensors = {};
  /** @param {string} name @param {number[]} shape @param {number} scale @param {number} [offset] */
  const add = (name, shape, scale, offset = 0) => {
    const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
    for (let i = 0; i < data.length; i++) data[i] = offset + scale * (random() - 0.5);
    tensors[name] = { shape, data };
  };
  add("wte.weight", [N, K], 0.07);
  add("wpe.weight", [positions, K], 0.03);
  for (let i = 0; i < layers; i++) {
    for (const norm of ["ln_1", "ln_2"]) {
      add(`h.${i}.${norm}.weight`, [K], 0.1, 1);
      add(`h.${i}.${norm}.bias`, [K], 0.1);
    }
    for (const [name, from, to] of /** @type {const} */ ([
      ["attn.c_attn", K, 3 * K],
      ["attn.c_proj", K, K],
      ["mlp.c_fc", K, F],
      ["mlp.c_proj", F, K],
    ])) {
      add(`h.${i}.${name}.weight`, [from, to], 0.07);
      add(`h.${i}.${name}.bias`, [to], 0.1);
    }
  }
  add("ln_f.weight", [K], 0.1, 1);
  add("ln_f.bias", [K], 0.1);
  await writeSafetensors(path.join(directory, "model.safetensors"), tensors);
  return directory;
}

/** Uniform numbers in [0, 1) from a 32-bit xorshift (Marsaglia 2003). @param {number} seed */
function uniform(seed) {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
