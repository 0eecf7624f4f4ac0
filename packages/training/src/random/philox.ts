// Philox4x32-10: random bits as a function of a counter and a key, so that no element's number depends on which were
// drawn before it.
// Source: Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3", §3.3; known answers of
// Random123 in the tests.

const M0 = 0xd2511f53;
const M1 = 0xcd9e8d57;
const ROUNDS = 10;
const WEYL_LOW = 0x9e3779b9;
const WEYL_HIGH = 0xbb67ae85;

/** The upper half of the 64-bit product of two unsigned 32-bit integers. */
function upperProduct(a: number, b: number): number {
  const a0 = a & 0xffff;
  const a1 = a >>> 16;
  const b0 = b & 0xffff;
  const b1 = b >>> 16;
  const cross = a1 * b0 + ((a0 * b0) >>> 16); // below 2³², as is the next sum
  return (a1 * b1 + (cross >>> 16) + ((a0 * b1 + (cross & 0xffff)) >>> 16)) >>> 0;
}

/**
 * Fills `block` [4] with the 128 bits that belong to the counter (a, b, c, d) and the key (k0, k1), all unsigned 32-bit
 * integers.
 */
export function philox(block: Uint32Array, a: number, b: number, c: number, d: number, k0: number, k1: number): void {
  for (let round = 0; round < ROUNDS; round++) {
    const high0 = upperProduct(M0, a);
    const high1 = upperProduct(M1, c);
    const low0 = Math.imul(M0, a) >>> 0;
    a = (high1 ^ b ^ k0) >>> 0;
    b = Math.imul(M1, c) >>> 0;
    c = (high0 ^ d ^ k1) >>> 0;
    d = low0;
    k0 = (k0 + WEYL_LOW) >>> 0;
    k1 = (k1 + WEYL_HIGH) >>> 0;
  }
  block[0] = a;
  block[1] = b;
  block[2] = c;
  block[3] = d;
}
