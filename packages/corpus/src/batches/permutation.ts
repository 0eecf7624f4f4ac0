// A random permutation of 0 … n−1 that can be asked for any of its places, in constant memory, as a function of (seed,
// epoch). Up to 65,536 elements: a Fisher–Yates table, exactly uniform. Beyond: an 8-round Feistel network on the
// smallest square power of two that holds n, walking along cycles until the value is below n (Black and Rogaway, CT-RSA
// 2002, "cycle-walking").
import { CounterRandom, STREAM } from "../documents/random.js";
import type { Moment } from "../documents/types.js";

const TABLE_SIZE = 0x10000;
const ROUNDS = 8;

/** Mixes 32 bits (the finaliser of MurmurHash3, Appleby). */
function mix(h: number): number {
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** The place-by-place order of `length` (below 2³¹) documents in an epoch. */
export function documentOrder(length: number, moment: Moment): (place: number) => number {
  const random = new CounterRandom().start(moment, STREAM.documentOrder, 0);
  if (length <= TABLE_SIZE) {
    const table = Int32Array.from({ length }, (_, index) => index);
    random.shuffle(table, length);
    return (place) => table[place]!;
  }
  const halfBits = Math.ceil(Math.log2(length) / 2); // 9 … 16
  const mask = 2 ** halfBits - 1;
  const keys = Uint32Array.from({ length: ROUNDS }, () => random.uint32());
  return (place) => {
    let value = place;
    do {
      let left = value >>> halfBits;
      let right = value & mask;
      for (let round = 0; round < ROUNDS; round++) {
        const next = left ^ (mix(right ^ keys[round]!) & mask);
        left = right;
        right = next;
      }
      value = ((left << halfBits) | right) >>> 0;
    } while (value >= length);
    return value;
  };
}
