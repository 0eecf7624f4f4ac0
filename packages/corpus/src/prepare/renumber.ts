// Dense indices for the users and items that remain, in the order of their former indices.

/**
 * Rewrites `key` in place for every alive record (others become 0).
 * @returns new index → former index.
 */
export function renumber(key: Int32Array, size: number, alive: Uint8Array): Int32Array {
  const index = new Int32Array(size).fill(-1);
  for (let p = 0; p < key.length; p++) if (alive[p] === 1) index[key[p]!] = 0;
  let count = 0;
  for (let k = 0; k < size; k++) if (index[k] === 0) index[k] = count++;
  const former = new Int32Array(count);
  for (let k = 0; k < size; k++) if (index[k]! >= 0) former[index[k]!] = k;
  for (let p = 0; p < key.length; p++) key[p] = alive[p] === 1 ? index[key[p]!]! : 0;
  return former;
}
