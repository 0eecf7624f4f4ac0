// Which positions of a sequence are soft, that is, hold a user or item token whose embedding is trained.

/** The positions whose id is not a vocabulary id (id ≥ N), ascending. */
export function softPositions(ids: Int32Array, rows: number): Int32Array {
  let count = 0;
  for (let t = 0; t < ids.length; t++) if (ids[t]! >= rows) count++;
  const positions = new Int32Array(count);
  for (let t = 0, k = 0; t < ids.length; t++) if (ids[t]! >= rows) positions[k++] = t;
  return positions;
}
