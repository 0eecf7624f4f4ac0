// Whether numbers are finite.

/** The place of the first number that is NaN or infinite, or −1. */
export function firstNotFinite(data: Float32Array): number {
  for (let at = 0; at < data.length; at++) if (!Number.isFinite(data[at]!)) return at;
  return -1;
}
