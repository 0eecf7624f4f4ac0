// How the first numbers of a parameter are drawn: by seed and name, the same bits on every machine.
import { createHash } from "node:crypto";
import { fillNormal } from "../random/normal.js";

/** Fills a parameter's `data` before training. */
export type Initialiser = (
  data: Float32Array,
  parameter: { readonly name: string; readonly shape: readonly number[]; readonly seed: number },
) => void;

/** N(0, deviation²). */
export function normal(deviation: number): Initialiser {
  return (data, { name, shape, seed }) => {
    fillNormal(data, shape.at(-1) ?? 1, seed, streamOf(name));
    for (let i = 0; i < data.length; i++) data[i] = deviation * data[i]!;
  };
}

/** N(0, 2/(n + m)) for a matrix [n, m] (Glorot and Bengio 2010, with a normal distribution). */
export function glorotNormal(): Initialiser {
  return (data, parameter) => {
    const { shape } = parameter;
    normal(Math.sqrt(2 / (shape[0]! + shape.at(-1)!)))(data, parameter);
  };
}

/** A stream of random numbers for each name, beyond those that embedding tables and weights have by number. */
function streamOf(name: string): number {
  return 2 ** 31 + (createHash("sha256").update(name).digest().readUInt32LE() >>> 1);
}
