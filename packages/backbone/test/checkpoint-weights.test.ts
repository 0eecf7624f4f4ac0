// Accounting for weights: names, shapes, aliases, ties, and one error that lists everything that is wrong.
import fs from "node:fs";
import path from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.js";
import { claimWeights, type ExpectedWeight } from "../src/checkpoint/weights.js";
import { f32, half, modelDirectory, type RawTensor, safetensorsOf, temporaryFolder } from "./checkpoint-helpers.js";

const folder = temporaryFolder();
let count = 0;
const checkpointOf = (tensors: Record<string, RawTensor>) =>
  openCheckpoint(
    modelDirectory(path.join(folder(), `model-${count++}`), { "model.safetensors": safetensorsOf(tensors) }),
  );

const wte = f32([2, 2], [1, 2, 3, 4]);
const expected: ExpectedWeight[] = [
  { name: "wte.weight", shape: [2, 2], aliases: ["transformer.wte.weight", "lm_head.weight"] },
  { name: "h.0.ln_1.weight", shape: [2], aliases: ["transformer.h.0.ln_1.weight"] },
  { name: "h.0.attn.c_attn.bias", shape: [3], aliases: ["transformer.h.0.attn.c_attn.bias"], optional: true },
];
const ln = f32([2], [5, 6]);
const ignore = [/^(?:transformer\.)?h\.\d+\.attn\.(?:masked_)?bias$/];

describe("claiming", () => {
  it("finds weights under their names and gives them in the order expected", async () => {
    const checkpoint = await checkpointOf({
      "h.0.ln_1.weight": ln,
      "h.0.attn.c_attn.bias": f32([3], [1, 2, 3]),
      "wte.weight": wte,
    });
    const claimed = await claimWeights(checkpoint, expected);
    expect([...claimed.tensors.keys()]).toEqual(expected.map(({ name }) => name));
    expect(claimed.tensors.get("wte.weight")).toBe(checkpoint.tensor("wte.weight"));
    expect(claimed).toMatchObject({ duplicates: [], ignored: [] });
  });

  it("finds weights under a prefix, and a tied matrix under either end", async () => {
    const checkpoint = await checkpointOf({ "lm_head.weight": wte, "transformer.h.0.ln_1.weight": ln });
    const { tensors } = await claimWeights(checkpoint, expected);
    expect(tensors.get("wte.weight")?.name).toBe("lm_head.weight");
    expect(tensors.get("h.0.ln_1.weight")?.name).toBe("transformer.h.0.ln_1.weight");
    expect(tensors.has("h.0.attn.c_attn.bias")).toBe(false); // optional
  });

  it("sets known buffers aside by pattern, but never an expected weight", async () => {
    const mask = { dtype: "BOOL", shape: [1], bytes: Uint8Array.of(1) };
    const checkpoint = await checkpointOf({
      "wte.weight": wte,
      "h.0.ln_1.weight": ln,
      "h.0.attn.bias": mask,
      "h.0.attn.masked_bias": f32([], [-1e4]),
    });
    const claimed = await claimWeights(checkpoint, expected, { ignore: [...ignore, /ln/g] });
    expect([...claimed.ignored].sort()).toEqual(["h.0.attn.bias", "h.0.attn.masked_bias"]);
    expect(claimed.tensors.has("h.0.ln_1.weight")).toBe(true);
    await expect(claimWeights(checkpoint, expected)).rejects.toThrow(/unexpected tensor "h\.0\.attn\.bias" \[1\]/);
  });
});

describe("a tied matrix stored twice", () => {
  it("is one weight when the bytes are equal, also across shards", async () => {
    const checkpoint = await checkpointOf({ "wte.weight": wte, "lm_head.weight": wte, "h.0.ln_1.weight": ln });
    const claimed = await claimWeights(checkpoint, expected);
    expect(claimed.duplicates).toEqual(["lm_head.weight"]);
    expect(claimed.tensors.get("wte.weight")?.name).toBe("wte.weight");
    const files = {
      "1.safetensors": safetensorsOf({ "wte.weight": wte, "h.0.ln_1.weight": ln }),
      "2.safetensors": safetensorsOf({ "lm_head.weight": wte }, 3),
      "model.safetensors.index.json": {
        weight_map: {
          "wte.weight": "1.safetensors",
          "h.0.ln_1.weight": "1.safetensors",
          "lm_head.weight": "2.safetensors",
        },
      },
    };
    const sharded = await openCheckpoint(modelDirectory(path.join(folder(), "sharded"), files));
    expect((await claimWeights(sharded, expected)).duplicates).toEqual(["lm_head.weight"]);
  });

  it("is an error when one value differs, even far into a large matrix", async () => {
    const n = 3 * 1024 * 1024;
    const values = new Float32Array(n);
    const other = values.slice();
    other[n - 1] = 1;
    const checkpoint = await checkpointOf({ a: f32([n], values), b: f32([n], other) });
    await expect(claimWeights(checkpoint, [{ name: "a", shape: [n], aliases: ["b"] }])).rejects.toThrow(
      /"a" and "b" are one weight.*values differ \(in the 4194304 bytes from 8388608 on\).*"tie_word_embeddings": false/s,
    );
  });

  it("is an error when the dtypes differ", async () => {
    const checkpoint = await checkpointOf({ a: f32([1], [1]), b: half("BF16", [1], [0x3f80]) });
    await expect(claimWeights(checkpoint, [{ name: "a", shape: [1], aliases: ["b"] }])).rejects.toThrow(
      /dtypes F32 and BF16/,
    );
  });
});

describe("what does not fit", () => {
  it("is listed in one error, each with the closest name", async () => {
    const checkpoint = await checkpointOf({
      "wte.weight": f32([2, 3], [1, 2, 3, 4, 5, 6]),
      "h.0.ln_l.weight": ln,
      "h.0.attn.c_attn.bias": { dtype: "F64", shape: [3], bytes: new Uint8Array(24) },
    });
    const error = await claimWeights(checkpoint, expected).catch((reason: unknown) => reason);
    expect(String(error)).toContain(checkpoint.directory);
    expect(String(error)).toMatch(/"wte\.weight" has shape \[2, 3\], expected \[2, 2\]/);
    expect(String(error)).toMatch(
      /missing weight "h\.0\.ln_1\.weight" \[2\] \(also known as transformer\.h\.0\.ln_1\.weight\); the closest name is "h\.0\.ln_l\.weight"/,
    );
    expect(String(error)).toMatch(/"h\.0\.attn\.c_attn\.bias" has dtype F64, expected F32, F16 or BF16/);
    expect(String(error)).toMatch(
      /unexpected tensor "h\.0\.ln_l\.weight" \[2\]; the closest name is "h\.0\.ln_1\.weight"/,
    );
  });

  it("is counted where the list would be long", async () => {
    const many = Object.fromEntries(Array.from({ length: 30 }, (_, i) => [`extra.${i}`, f32([1], [0])]));
    await expect(claimWeights(await checkpointOf(many), [])).rejects.toThrow(/… and 22 more/);
  });

  it("includes a matrix transposed, and one with an axis more", async () => {
    const checkpoint = await checkpointOf({ a: f32([2, 3], [1, 2, 3, 4, 5, 6]), b: f32([1, 2], [1, 2]) });
    const weights = [
      { name: "a", shape: [3, 2] },
      { name: "b", shape: [2] },
    ];
    await expect(claimWeights(checkpoint, weights)).rejects.toThrow(
      /"a" has shape \[2, 3\], expected \[3, 2\][\s\S]*"b" has shape \[1, 2\], expected \[2\]/,
    );
  });

  it("tells a mistake in the architecture from one in the checkpoint", async () => {
    const twice = [
      { name: "a", shape: [1] },
      { name: "b", shape: [1], aliases: ["a"] },
    ];
    await expect(claimWeights(await checkpointOf({ a: f32([1], [1]) }), twice)).rejects.toThrow(
      /"a" and "b", lay claim to the name "a"/,
    );
  });
});

it("accepts exactly the checkpoints that hold every weight once, whatever is taken away or added", async () => {
  const names = ["a", "b", "c", "d"];
  await fc.assert(
    fc.asyncProperty(fc.subarray([...names, "e", "f"]), async (present) => {
      const checkpoint = await checkpointOf(Object.fromEntries(present.map((name) => [name, f32([1], [1])])));
      const outcome = await claimWeights(
        checkpoint,
        names.map((name) => ({ name, shape: [1] })),
        { ignore: [/^f$/] },
      ).then(
        (claimed) => claimed,
        (error: unknown) => String(error),
      );
      const missing = names.filter((name) => !present.includes(name));
      if (missing.length === 0 && !present.includes("e")) {
        expect(outcome).toMatchObject({ ignored: present.filter((name) => name === "f") });
      } else {
        expect(typeof outcome).toBe("string");
        for (const name of missing) expect(outcome).toContain(`missing weight "${name}"`);
        if (present.includes("e")) expect(outcome).toContain('unexpected tensor "e"');
      }
      fs.rmSync(checkpoint.directory, { recursive: true });
    }),
    { numRuns: 64 },
  );
});
