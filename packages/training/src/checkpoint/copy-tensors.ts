// Saved tensors into the arrays of a run: all of them, or none.
import type { TensorData } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { float32 } from "./read-tensors.js";

/**
 * Copies every tensor of `into` from `saved`. @throws TrainingError where one is missing or of another shape; nothing
 * is changed then
 */
export function copyTensors(
  saved: Readonly<Record<string, TensorData>>,
  into: Readonly<Record<string, TensorData>>,
  file: string,
): void {
  const copies: (() => void)[] = [];
  for (const [name, { shape, data }] of Object.entries(into)) {
    if (data instanceof Float32Array) {
      const found = float32(file, saved, name, shape);
      copies.push(() => data.set(found.data));
    } else if (data instanceof Int32Array) {
      const found = saved[name]?.data;
      if (!(found instanceof Int32Array) || found.length !== data.length)
        throw new TrainingError(`${file}: tensor ${name} is missing or does not have ${data.length} int32 numbers`);
      copies.push(() => data.set(found));
    }
  }
  for (const copy of copies) copy();
}
