// Elementwise comparison of float arrays against golden values.

/**
 * Throws unless every element satisfies |actual − expected| ≤ atol + rtol·|expected|; the message names the worst
 * element. NaN equals only NaN, an infinity only itself.
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  { rtol = 1e-5, atol = 1e-6, label = "array" }: { rtol?: number; atol?: number; label?: string } = {},
): void {
  if (actual.length !== expected.length) {
    throw new Error(`${label}: ${actual.length} elements, expected ${expected.length}`);
  }
  let worst = -1;
  let worstExcess = 0;
  for (let i = 0; i < expected.length; i++) {
    const a = actual[i]!;
    const e = expected[i]!;
    if (Object.is(a, e) || a === e) continue;
    const excess = Math.abs(a - e) / (atol + rtol * Math.abs(e));
    if (!(excess <= 1) && !(excess <= worstExcess)) {
      worst = i;
      worstExcess = Number.isNaN(excess) ? Number.POSITIVE_INFINITY : excess;
    }
  }
  if (worst >= 0) {
    throw new Error(
      `${label}: element ${worst} is ${actual[worst]}, expected ${expected[worst]} (${worstExcess.toPrecision(3)} ` +
        `times the tolerance, rtol ${rtol}, atol ${atol})`,
    );
  }
}
