// Compressed sparse rows: the items of each user as one flat array with offsets.
// I users (rows), J items (columns), n interactions: indptr [I+1], indices [n].

/** A binary users × items matrix. Row `u` holds `indices[indptr[u] .. indptr[u+1])`, each an item in `[0, columns)`. */
export interface Csr {
  readonly rows: number;
  readonly columns: number;
  readonly indptr: Int32Array;
  readonly indices: Int32Array;
}

/** The items of one row, as a view into `csr.indices` (no copy). */
export function csrRow(csr: Csr, row: number): Int32Array {
  if (!Number.isInteger(row) || row < 0 || row >= csr.rows) {
    throw new RangeError(`row ${row} is not in this matrix of ${csr.rows} rows`);
  }
  return csr.indices.subarray(csr.indptr[row], csr.indptr[row + 1]);
}
