// The scale of the vocabulary embeddings, against the definition: small, large, far from zero, and stored as BF16.
import fs from "node:fs";
import path from "node:path";
import { sharedPath } from "@cllm4rec/testing";
import { describe, expect, it } from "vitest";
import { standardDeviation } from "../src/checkpoint/deviation.js";
import { readSafetensorsHeader } from "../src/checkpoint/safetensors.js";
import { writeSafetensors } from "../src/checkpoint/safetensors-writer.js";
import { openCheckpoint, openFloat32Weights } from "../src/index.js";
import { modelDirectory, modelOpener } from "./goldens.js";

const open = modelOpener();

/** The definition, in one piece. */
function deviationOf(values: Float32Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / values.length);
}

async function stored(name: string, data: Float32Array) {
  const file = path.join(open.folder, `${name}.safetensors`);
  await writeSafetensors(file, {
    other: { shape: [3], data: Float32Array.of(9e9, 1, 2) },
    x: { shape: [data.length], data },
  });
  return (await readSafetensorsHeader(file)).tensors.get("x")!;
}

describe("standardDeviation", () => {
  it("is that of the definition over more pieces than one, also far from zero", async () => {
    // 2.5 pieces of 4 MiB, whose parts differ in mean and spread
    const data = Float32Array.from({ length: 2_621_440 }, (_, i) => 1000 + Math.sin(i) * (1 + i / 1e6) + i / 1e6);
    const found = await standardDeviation(await stored("pieces", data));
    expect(Math.abs(found / deviationOf(data) - 1)).toBeLessThan(1e-9);
  });

  it("is 0 for equal numbers", async () => {
    expect(await standardDeviation(await stored("equal", new Float32Array(7).fill(0.3)))).toBe(0);
  });

  it("refuses an empty tensor", async () => {
    await expect(standardDeviation(await stored("empty", new Float32Array(0)))).rejects.toThrow("at least one element");
  });
});

describe("Backbone.vocabularyDeviation", () => {
  it.each([
    ["gpt2", "wte.weight"],
    ["llama-gqa", "lm_head.weight"],
    ["llama-rope-linear", "model.embed_tokens.weight"],
  ])("of %s", async (name, embedding) => {
    const directory = modelDirectory(name);
    const weights = await openFloat32Weights(await openCheckpoint(directory), {
      cacheDirectory: path.join(open.folder, "cache"),
    });
    const backbone = await open.backbone(directory);
    const expected = deviationOf(await weights.read(embedding));
    expect(await backbone.vocabularyDeviation()).toBeCloseTo(expected, 10);
  });

  it("is read once", async () => {
    const folder = path.join(open.folder, "copy");
    fs.cpSync(modelDirectory("gpt2"), folder, { recursive: true });
    const backbone = await open.backbone(folder);
    const first = await backbone.vocabularyDeviation();
    fs.rmSync(folder, { recursive: true });
    expect(await backbone.vocabularyDeviation()).toBe(first);
  });

  const real = sharedPath("models/tinystories-656k");
  it.skipIf(!real)("of tinystories-656k is 0.50", async () => {
    expect(await (await open.backbone(real!)).vocabularyDeviation()).toBeCloseTo(0.5, 2);
  });
});
