// Uniformly distributed numbers by (seed, stream, place): the same bits on every machine, in any order.
import { philox4x32 } from "@cllm4rec/corpus/random";
import { keyOf } from "./normal.js";

/**
 * Fills `target` with independent draws from [0, 1), in steps of 2⁻²⁴.
 * @param stream tells uses of one seed apart; an integer below 2³²
 * @param draw which of the stream's fillings this is, e.g. the update; an integer below 2³²
 */
export function fillUniform(target: Float32Array, seed: number, stream: number, draw = 0): void {
  const [key0, key1] = keyOf(seed);
  const block = new Uint32Array(4);
  for (let at = 0; at < target.length; at++) {
    if (at % 4 === 0) philox4x32(block, at / 4, 0, draw, stream, key0, key1);
    target[at] = (block[at % 4]! >>> 8) * 2 ** -24;
  }
}
