// Opening model directories: single files, shards, and every way in which they can be incomplete or lie.
import fs from "node:fs";
import path from "node:path";
import { expectClose, sharedPath, smollm2Directory } from "@cllm4rec/testing";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.js";
import { openFloat32Weights } from "../src/checkpoint/float32-cache.js";
import { f32, modelDirectory, safetensorsOf, temporaryFolder } from "./checkpoint-helpers.js";

const folder = temporaryFolder();
let count = 0;
const make = (files: Parameters<typeof modelDirectory>[1], config?: object) =>
  modelDirectory(path.join(folder(), `model-${count++}`), files, config);

const INDEX = "model.safetensors.index.json";
const a = f32([2], [1, 2]);
const b = f32([1], [3]);

describe("a single file", () => {
  it("gives config, generation config and tensors with absolute offsets", async () => {
    const directory = make(
      { "model.safetensors": safetensorsOf({ a, b }), "generation_config.json": { eos_token_id: 5 } },
      { model_type: "gpt2", n_embd: 4 },
    );
    const checkpoint = await openCheckpoint(directory);
    expect(checkpoint.directory).toBe(directory);
    expect(checkpoint.config).toEqual({ model_type: "gpt2", n_embd: 4 });
    expect(checkpoint.generationConfig).toEqual({ eos_token_id: 5 });
    const file = path.join(directory, "model.safetensors");
    const start = fs.readFileSync(file).length - 12;
    expect(checkpoint.tensor("b")).toEqual({
      name: "b",
      dtype: "F32",
      shape: [1],
      file,
      byteOffset: start + 8,
      byteLength: 4,
    });
    expect(() => checkpoint.tensor("B")).toThrow(/no tensor "B"; the closest name is "[ab]"/);
  });

  it("is taken before shards, as in transformers", async () => {
    const directory = make({
      "model.safetensors": safetensorsOf({ a }),
      [INDEX]: { weight_map: { b: "absent.safetensors" } },
    });
    expect([...(await openCheckpoint(directory)).tensors.keys()]).toEqual(["a"]);
  });

  it("is found through the links of the hub's cache, under its real path", async () => {
    const blob = path.join(folder(), "blob");
    fs.writeFileSync(blob, safetensorsOf({ a }));
    const directory = make({});
    fs.symlinkSync(path.join("..", "blob"), path.join(directory, "model.safetensors"));
    expect((await openCheckpoint(directory)).tensor("a").file).toBe(blob);
    fs.rmSync(blob);
    await expect(openCheckpoint(directory)).rejects.toThrow(
      /model\.safetensors: no such file \(a link without a target\?\)/,
    );
  });
});

describe("shards", () => {
  const shards = { "model-1.safetensors": safetensorsOf({ a }), "model-2.safetensors": safetensorsOf({ b }) };
  const map = { a: "model-1.safetensors", b: "model-2.safetensors" };

  it("are joined", async () => {
    const checkpoint = await openCheckpoint(
      make({ ...shards, [INDEX]: { metadata: { total_size: 12 }, weight_map: map } }),
    );
    expect([...checkpoint.tensors.keys()]).toEqual(["a", "b"]);
    expect(checkpoint.files).toHaveLength(2);
    expect(path.basename(checkpoint.tensor("b").file)).toBe("model-2.safetensors");
  });

  it.each([
    [
      "a weight that its shard lacks",
      { ...map, c: "model-2.safetensors" },
      /says that model-2\.safetensors holds tensor "c", but it does not/,
    ],
    [
      "a tensor that the index does not know",
      { a: map.a, c: map.b },
      /model-2\.safetensors: holds tensor "b", but .* does not know it/,
    ],
    [
      "a tensor in another shard",
      { a: map.b, b: map.a },
      /model-1\.safetensors: holds tensor "a", but .* says it is in model-2/,
    ],
    ["a missing shard", { ...map, c: "model-3.safetensors" }, /model-3\.safetensors: no such file/],
    ["a path upwards", { ...map, c: "../model-1.safetensors" }, /"c" is mapped to "\.\.\/model-1\.safetensors"/],
    ["a path upwards, Windows", { ...map, c: "..\\x.safetensors" }, /"c" is mapped to/],
    ["an absolute path", { ...map, c: "/etc/x.safetensors" }, /"c" is mapped to/],
    ["a drive", { ...map, c: "C:x.safetensors" }, /"c" is mapped to/],
    ["a path through the folder upwards", { ...map, c: "x/../../y.safetensors" }, /"c" is mapped to/],
    ["another kind of file", { ...map, c: "pytorch_model.bin" }, /expected the name of a \.safetensors file/],
    ["a number for a path", { ...map, c: 1 }, /"c" is mapped to 1/],
    ["nothing", {}, /names no tensor/],
    ["no map", undefined, /"weight_map" is missing/],
  ])("refuses an index with %s", async (_, weightMap, message) => {
    await expect(openCheckpoint(make({ ...shards, [INDEX]: { weight_map: weightMap } }))).rejects.toThrow(message);
  });

  it("refuses an index that names a tensor twice", async () => {
    const text = '{"weight_map":{"a":"model-1.safetensors","a":"model-2.safetensors","b":"model-2.safetensors"}}';
    await expect(openCheckpoint(make({ ...shards, [INDEX]: text }))).rejects.toThrow(/the key "a" occurs twice/);
  });
});

describe("what is no checkpoint", () => {
  it("says what is missing and what to do", async () => {
    await expect(openCheckpoint(path.join(folder(), "absent"))).rejects.toThrow(/absent: no such directory/);
    await expect(openCheckpoint(make({}))).rejects.toThrow(
      /found no weights in any format; expected model\.safetensors/,
    );
    await expect(openCheckpoint(make({ "pytorch_model.bin": "x" }))).rejects.toThrow(
      /only as pytorch_model\.bin, a pickle.*save_pretrained/s,
    );
    await expect(openCheckpoint(make({ "model.gguf": "x" }))).rejects.toThrow(/found model\.gguf/);
    const noConfig = make({ "model.safetensors": safetensorsOf({ a }) });
    fs.rmSync(path.join(noConfig, "config.json"));
    await expect(openCheckpoint(noConfig)).rejects.toThrow(/no config\.json/);
    await expect(openCheckpoint(path.join(noConfig, "model.safetensors"))).rejects.toThrow(/not a directory/);
  });

  it.each([
    ["not JSON", "{", /config\.json: not valid JSON/],
    ["not an object", "[]", /config\.json: holds an array, expected a JSON object/],
    ["a repeated key", '{"n_embd":1,"n_embd":2}', /"n_embd" occurs twice/],
    ["nested without end", "[".repeat(100_000), /nested more than 64 levels/],
  ])("refuses a config.json that is %s", async (_, text, message) => {
    await expect(
      openCheckpoint(make({ "model.safetensors": safetensorsOf({ a }), "config.json": text })),
    ).rejects.toThrow(message);
  });
});

describe("real models", () => {
  it("opens tinystories-656k in place", async ({ skip }) => {
    const directory = sharedPath("models/tinystories-656k");
    if (!directory) return skip();
    const checkpoint = await openCheckpoint(directory);
    expect(checkpoint.tensors.size).toBe(20);
    expect(checkpoint.tensor("lm_head.weight").shape).toEqual([2048, 128]);
    const weights = await openFloat32Weights(checkpoint, { cacheDirectory: path.join(folder(), "tiny-cache") });
    for (const [name, tensor] of weights.tensors) expect(tensor).toEqual(checkpoint.tensor(name));
    const head = await weights.read("lm_head.weight");
    expect(head.length).toBe(2048 * 128);
    const meanSquare = head.reduce((sum, value) => sum + value * value, 0) / head.length;
    expectClose([meanSquare], [0.25], { rtol: 0.05, label: "mean square" }); // known: a standard deviation of 0.50
  });

  it("opens SmolLM2-135M, bfloat16, exactly", async ({ skip }) => {
    const directory = smollm2Directory();
    if (!directory) return skip();
    const checkpoint = await openCheckpoint(directory);
    expect(checkpoint.tensors.size).toBe(272);
    // In the user's own cache: converted once per machine, 538 MB.
    const weights = await openFloat32Weights(checkpoint);
    const name = "model.layers.29.mlp.down_proj.weight";
    const source = checkpoint.tensor(name);
    const bits = new Uint16Array(source.byteLength / 2);
    const handle = fs.openSync(source.file, "r");
    fs.readSync(handle, new Uint8Array(bits.buffer), 0, source.byteLength, source.byteOffset);
    fs.closeSync(handle);
    const values = new Uint32Array((await weights.read(name)).buffer);
    expect(values.length).toBe(bits.length);
    expect(values.every((value, i) => value === bits[i]! * 65_536)).toBe(true);
  });
});
