// Files made to do harm: sizes that would exhaust memory, control characters in names, a cache folder that cannot be
// made.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.js";
import { CheckpointError, didYouMean } from "../src/checkpoint/errors.js";
import { readJsonObject } from "../src/checkpoint/json.js";
import { makeDirectory } from "../src/checkpoint/make-directory.js";
import { readSafetensorsHeader } from "../src/checkpoint/safetensors.js";
import { claimWeights } from "../src/checkpoint/weights.js";
import {
  f32,
  modelDirectory as makeModel,
  rawSafetensors,
  safetensorsOf,
  temporaryFolder,
} from "./checkpoint-helpers.js";
import { modelDirectory } from "./goldens.js";

const folder = temporaryFolder();
let count = 0;
const fresh = () => path.join(folder(), `model-${count++}`);

/** Opens models in a process with a small heap; a crash, an exhausted heap or a hang is an error of the test. */
async function openedElsewhere(directories: string[], cache = path.join(folder(), "cache")): Promise<string[]> {
  const script = fileURLToPath(new URL("./children/open-backbone.mjs", import.meta.url));
  const child = spawn(process.execPath, ["--max-old-space-size=128", script, cache, ...directories]);
  let [out, err] = ["", ""];
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    err += data;
  });
  const code = await new Promise((resolve) => child.once("close", (status, signal) => resolve(status ?? signal)));
  expect(`${code} ${err}`).toBe("0 ");
  return out
    .trim()
    .split("\n")
    .map((line) => {
      const result = JSON.parse(line) as { opened: boolean; name: string; message: string };
      return result.opened ? "opened" : `${result.name}: ${result.message}`;
    });
}

/** A copy of a fixture with other values in its config.json. */
function withConfig(name: string, change: object): string {
  const directory = fresh();
  fs.cpSync(modelDirectory(name), directory, { recursive: true });
  const file = path.join(directory, "config.json");
  const config = { ...(JSON.parse(fs.readFileSync(file, "utf8")) as object), ...change };
  fs.writeFileSync(file, JSON.stringify(config));
  return directory;
}

describe("sizes far beyond what the files hold", () => {
  it("are refused before anything is allocated", async () => {
    const cases: [name: string, change: object, expected: RegExp][] = [
      ["gpt2", { n_layer: 1e9 }, /"n_layer" is 1000000000/],
      ["gpt2", { n_layer: 9000 }, /"n_layer" is 9000, but the weights have only \d+ tensors/],
      ["llama", { num_hidden_layers: 1e9 }, /"num_hidden_layers" is 1000000000/],
      ["llama", { num_hidden_layers: 9000 }, /"num_hidden_layers" is 9000, but the weights have only \d+ tensors/],
      ["t5", { num_layers: 1e9 }, /"num_layers" is 1000000000/],
      ["t5", { num_decoder_layers: 9000 }, /"num_decoder_layers" is 9000, but the weights have only \d+ tensors/],
      ["t5", { relative_attention_max_distance: 1e9 }, /"relative_attention_max_distance" is 1000000000/],
      ["gpt2", { vocab_size: 2e9 }, /"wte\.weight" has shape \[\d+, \d+\], expected \[2000000000, /],
      ["gpt2", { n_positions: 2e9 }, /"wpe\.weight" has shape/],
      ["gpt2", { n_inner: 2e9 }, /has shape .*2000000000/],
      ["llama", { hidden_size: 2e9 }, /has shape .*2000000000/],
      ["llama", { intermediate_size: 2e9 }, /has shape .*2000000000/],
      ["llama", { head_dim: 2e9 }, /has shape/],
      ["t5", { d_ff: 2e9 }, /has shape .*2000000000/],
      ["t5", { relative_attention_num_buckets: 199_998, relative_attention_max_distance: 1e5 }, /has shape .*199998/],
      // These allocate nothing.
      ["llama", { max_position_embeddings: 2e9 }, /^opened$/],
      ["t5", { n_positions: 2e9 }, /^opened$/],
    ];
    const results = await openedElsewhere(cases.map(([name, change]) => withConfig(name, change)));
    expect(results).toHaveLength(cases.length);
    cases.forEach(([, , expected], i) => {
      expect(results[i]).toMatch(expected);
      expect(results[i]).toMatch(/^(CheckpointError|opened)/);
    });
  });
});

describe("a cache folder that cannot be made", () => {
  it("is an error, not an endless loop", async () => {
    if (process.platform !== "linux") return;
    await expect(makeDirectory("/proc/none/below")).rejects.toThrow("ENOENT");
    // BF16 weights need the cache; F32 weights do without it.
    expect((await openedElsewhere([modelDirectory("t5-bfloat16")], "/proc/none/cache"))[0]).toMatch(
      /\/proc\/none\/cache\/float32\/.* cannot be written.*choose another with cacheDirectory/,
    );
    expect(await openedElsewhere([modelDirectory("gpt2")], "/proc/none/cache")).toEqual(["opened"]);
  });

  it("folders that can be made are, with their parents, and may be there already", async () => {
    const deep = path.join(folder(), "a", "b", "c");
    await makeDirectory(deep);
    await makeDirectory(deep);
    expect(fs.statSync(deep).isDirectory()).toBe(true);
    fs.writeFileSync(path.join(deep, "file"), "");
    await expect(makeDirectory(path.join(deep, "file"))).rejects.toThrow("EEXIST");
    await expect(makeDirectory(path.join(deep, "file", "below"))).rejects.toThrow("ENOTDIR");
  });
});

/**
 * Clears a screen, sets a title, C1's form of the same, a carriage return, a bidirectional override, a line separator.
 */
const HOSTILE = "x\u001b[2J\u001b]0;owned\u0007\u009b2J\r\u202e\u2028y\nz";
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028-\u202e]/;

async function messageOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(CheckpointError);
  return (error as CheckpointError).message;
}

describe("control characters of a file", () => {
  const written = (bytes: Uint8Array | string) => {
    const file = fresh();
    fs.writeFileSync(file, bytes);
    return file;
  };
  const entry = { dtype: "F32", shape: [1], data_offsets: [0, 4] };

  it.each<[string, () => Promise<unknown>]>([
    ["a header that is not JSON", () => readSafetensorsHeader(written(rawSafetensors(`{"a": ${HOSTILE}}`, 0)))],
    [
      "a tensor's name",
      () => readSafetensorsHeader(written(rawSafetensors(JSON.stringify({ [HOSTILE]: { ...entry, shape: [2] } }), 4))),
    ],
    [
      "a tensor's dtype",
      () => readSafetensorsHeader(written(rawSafetensors(JSON.stringify({ a: { ...entry, dtype: HOSTILE } }), 4))),
    ],
    [
      "a tensor's field",
      () => readSafetensorsHeader(written(rawSafetensors(JSON.stringify({ a: { ...entry, [HOSTILE]: 1 } }), 4))),
    ],
    ["a config that is not JSON", () => readJsonObject(written(`{"a": ${HOSTILE}`))],
    ["a key that occurs twice", () => readJsonObject(written(`{"\u009b\u202e": 1, "\u009b\u202e": 2}`))],
    [
      "the name of a shard",
      async () =>
        openCheckpoint(
          makeModel(fresh(), { "model.safetensors.index.json": { weight_map: { a: `${HOSTILE}.safetensors` } } }),
        ),
    ],
    [
      "the names of files",
      async () => openCheckpoint(makeModel(fresh(), { [`${HOSTILE}.bin`]: "", "other.gguf": "" })),
    ],
    [
      "a tensor that nobody expects",
      async () => {
        const model = makeModel(fresh(), { "model.safetensors": safetensorsOf({ [HOSTILE]: f32([1], [1]) }) });
        return claimWeights(await openCheckpoint(model), []);
      },
    ],
  ])("do not reach a message: %s", async (_, work) => {
    const message = await messageOf(work());
    expect(message).not.toMatch(CONTROL);
    expect(message.split("\n")).toHaveLength(1);
  });
});

describe("hints", () => {
  it("name what is near, and nothing else", () => {
    expect(didYouMean("opt", ["gpt2", "t5"])).toBe("");
    expect(didYouMean("h.0.ln1.weight", ["h.0.ln_1.weight", "wte.weight"])).toContain('"h.0.ln_1.weight"');
    expect(didYouMean("wte.weight", ["h.0.ln_1.weight", "transformer.wte.weight"])).toContain(
      '"transformer.wte.weight"',
    );
    expect(didYouMean("lm_head.weight", ["vision_tower.patch.bias"])).toBe("");
  });
});
