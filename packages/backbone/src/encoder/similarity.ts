// How close the rows of texts are: cosines.

// Shape legend: n rows, K width.

/**
 * The cosine between one row and each of n rows, from −1 to 1; 0 where either is all zeros.
 * @param query [K]
 * @param rows [n, K], row-major, as `encode` returns them
 * @returns [n]
 * @throws RangeError where `rows` is not a whole number of rows of the query's width
 */
export function cosineSimilarities(query: Float32Array, rows: Float32Array): Float32Array {
  const width = query.length;
  if (width === 0 || rows.length % width !== 0)
    throw new RangeError(`rows: found ${rows.length} numbers, expected a multiple of the query's ${width}`);
  const length = Math.hypot(...query);
  return Float32Array.from({ length: rows.length / width }, (_, n) => {
    let [dot, square] = [0, 0];
    for (let k = 0; k < width; k++) {
      const value = rows[n * width + k]!;
      dot += value * query[k]!;
      square += value * value;
    }
    return square > 0 && length > 0 ? dot / (length * Math.sqrt(square)) : 0;
  });
}
