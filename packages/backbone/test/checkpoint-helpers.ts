// What the checkpoint tests share: the goldens, a temporary folder per file, and model directories made on the spot.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll } from "vitest";

interface Goldens {
  readonly mixed: Readonly<Record<string, { shape: number[]; sha256: string; float32?: number[] }>>;
  readonly F16: { count: number; sha256: string };
  readonly BF16: { count: number; sha256: string };
  readonly headers: readonly { what: string; header: string; dataBytes: number; accepted: boolean }[];
  readonly configs: Readonly<Record<string, { json: Record<string, unknown>; expected: Record<string, unknown> }>>;
}

/** The path of a committed fixture. */
export function fixture(name: string): string {
  return path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures", "checkpoint", name);
}

/** Written by test/oracle/checkpoint.py. */
export const goldens: Goldens = JSON.parse(fs.readFileSync(fixture("goldens.json"), "utf8"));

/** A folder that exists while the tests of the calling file run. */
export function temporaryFolder(): () => string {
  let folder = "";
  beforeAll(() => {
    folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-checkpoint-")));
  });
  afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));
  return () => folder;
}

/** A safetensors file with this header text and `dataBytes` zeros. */
export function rawSafetensors(header: string, dataBytes: number): Uint8Array {
  const json = Buffer.from(header);
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

/** A tensor for {@link modelDirectory}: raw little-endian bytes of any dtype. */
export interface RawTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

/** F32 values as a raw tensor. */
export function f32(shape: readonly number[], values: ArrayLike<number>): RawTensor {
  return { dtype: "F32", shape, bytes: new Uint8Array(Float32Array.from(values).buffer) };
}

/** 16-bit patterns as a raw tensor. */
export function half(dtype: "F16" | "BF16", shape: readonly number[], bits: ArrayLike<number>): RawTensor {
  return { dtype, shape, bytes: new Uint8Array(Uint16Array.from(bits).buffer) };
}

/** A safetensors file of these tensors, in this order; `pad` spaces at the header's end shift the data. */
export function safetensorsOf(tensors: Readonly<Record<string, RawTensor>>, pad = 0): Uint8Array {
  let offset = 0;
  const fields = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = offset;
    offset += bytes.length;
    const entry = { dtype, shape, data_offsets: [begin, offset] };
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  const json = `{${fields.join(",")}}`;
  const aligned = json.padEnd(Math.ceil(json.length / 8) * 8 + pad);
  return Buffer.concat([rawSafetensors(aligned, 0), ...Object.values(tensors).map(({ bytes }) => bytes)]);
}

/** Writes a model directory: config.json and the given other files. */
export function modelDirectory(
  folder: string,
  files: Readonly<Record<string, Uint8Array | string | object>>,
  config: object = { model_type: "gpt2" },
): string {
  fs.mkdirSync(folder, { recursive: true });
  fs.writeFileSync(path.join(folder, "config.json"), JSON.stringify(config));
  for (const [name, content] of Object.entries(files)) {
    const data = typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content);
    fs.writeFileSync(path.join(folder, name), data);
  }
  return folder;
}
