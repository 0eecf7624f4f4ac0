// What the tests of architectures and base model share: tiny models and what the oracle says of them, opened and closed
// with the tests.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { Backbone, BaseModel, type EmbeddingTable, readSafetensorsHeader, type SoftTables } from "@cllm4rec/backbone";
import { afterAll } from "vitest";

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures");

/** The committed Hugging Face directory of a tiny random model. */
export const modelDirectory = (name: string): string => path.join(fixtures, "models", name);

/** Relative error allowed between F32 here and F32 in PyTorch; see {@link expectRelative}. */
export const TOLERANCE = 1e-4;

/** One sequence with a target for every position, as test/oracle/models.py records it. */
export interface GoldenSequence {
  readonly ids: number[];
  readonly targets: number[];
  /** Mean over the positions. */
  readonly loss: number;
}

export interface GoldenModel {
  readonly sequences: readonly GoldenSequence[];
  readonly greedy: readonly { readonly prompt: number[]; readonly continuation: number[] }[];
}

/** The JSON record that belongs to a golden file. */
export function goldenRecord<T>(name: string): T {
  return JSON.parse(fs.readFileSync(path.join(fixtures, "goldens", `${name}.json`), "utf8")) as T;
}

/** Every tensor of a golden file; int32 ones become numbers too. */
export async function goldenTensors(name: string): Promise<(tensor: string) => Float32Array> {
  const file = path.join(fixtures, "goldens", `${name}.safetensors`);
  const { tensors } = await readSafetensorsHeader(file);
  const bytes = fs.readFileSync(file);
  return (tensor) => {
    const location = tensors.get(tensor);
    if (!location) throw new Error(`${file} has no tensor ${tensor}`);
    const { byteOffset, byteLength, dtype } = location;
    const { buffer } = new Uint8Array(bytes.subarray(byteOffset, byteOffset + byteLength));
    return dtype === "F32" ? new Float32Array(buffer) : Float32Array.from(new Int32Array(buffer));
  };
}

/**
 * Throws unless every element satisfies |actual − expected| ≤ tolerance · max(|expected|, s), s being the root mean
 * square of `expected`: a relative error for every element that is not small among its neighbours. Small ones are sums
 * in which larger numbers cancel, and F32 knows no more about them than it knows about those.
 */
export function expectRelative(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  label: string,
  tolerance = TOLERANCE,
): void {
  if (actual.length !== expected.length)
    throw new Error(`${label}: ${actual.length} elements, expected ${expected.length}`);
  const worst = worstRelative(actual, expected);
  if (!(worst.error <= tolerance)) {
    throw new Error(
      `${label}: element ${worst.index} is ${actual[worst.index]}, expected ${expected[worst.index]}; relative ` +
        `error ${worst.error.toExponential(2)}, allowed ${tolerance}`,
    );
  }
}

function worstRelative(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): { readonly index: number; readonly error: number } {
  let square = 0;
  for (let i = 0; i < expected.length; i++) square += expected[i]! ** 2;
  const scale = Math.sqrt(square / Math.max(1, expected.length));
  let worst = { index: -1, error: 0 };
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    const error = difference === 0 ? 0 : difference / Math.max(Math.abs(expected[i]!), scale);
    if (!(error <= worst.error)) worst = { index: i, error: Number.isNaN(error) ? Number.POSITIVE_INFINITY : error };
  }
  return worst;
}

/** A matrix of embeddings from its rows one after another. */
export function table(data: Float32Array, width: number): EmbeddingTable {
  return { rows: data.length / width, data };
}

export const noSoftTokens: SoftTables = {
  users: { rows: 0, data: new Float32Array(0) },
  items: { rows: 0, data: new Float32Array(0) },
};

/** Opens models that are closed when the tests of the calling file have ended; call it at the file's top level. */
export function modelOpener(): {
  readonly folder: string;
  /**
   * `userCache`: converted weights go to the user's own cache, as those of a large model should, instead of a temporary
   * one.
   */
  backbone(directory: string, options?: { readonly userCache?: boolean }): Promise<Backbone>;
  model(backbone: Backbone, sizes: { users: number; items: number; width?: number }): BaseModel;
} {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-backbone-")));
  const backbones: Backbone[] = [];
  const models: BaseModel[] = [];
  afterAll(async () => {
    for (const each of models) await each.dispose();
    for (const each of backbones) await each.dispose();
    fs.rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    async backbone(directory, { userCache = false } = {}) {
      const weights = userCache ? {} : { cacheDirectory: path.join(folder, "cache") };
      const backbone = await Backbone.open(directory, { weights });
      backbones.push(backbone);
      return backbone;
    },
    model(backbone, sizes) {
      const model = new BaseModel(backbone, sizes);
      models.push(model);
      return model;
    },
  };
}
