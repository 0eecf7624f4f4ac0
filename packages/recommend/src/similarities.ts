// How alike items are: cosines of their embeddings, the mean of them over the models of an ensemble.
import type { EmbeddingTable } from "@cllm4rec/backbone";

// Shape legend: J items, K width.

/** Cosines between rows of item tables [J, K] that have the same index. */
export class Similarities {
  #norms: readonly Float64Array[] | undefined;

  constructor(private readonly tables: readonly EmbeddingTable[]) {}

  /** The cosine of every item with the item of this row, [J]; 0 where one of the two has no direction. */
  of(row: number): Float32Array {
    this.#norms ??= this.tables.map(norms);
    const [{ rows: J }] = this.tables as readonly [EmbeddingTable];
    const sums = new Float64Array(J);
    for (const [m, { data }] of this.tables.entries()) {
      const K = data.length / J;
      const own = data.subarray(row * K, (row + 1) * K);
      const length = this.#norms[m]!;
      for (let j = 0; j < J; j++) {
        const scale = length[j]! * length[row]!;
        if (scale === 0) continue;
        let product = 0;
        for (let k = 0, at = j * K; k < K; k++, at++) product += own[k]! * data[at]!;
        sums[j]! += product / scale;
      }
    }
    return Float32Array.from(sums, (sum) => sum / this.tables.length);
  }
}

function norms({ rows, data }: EmbeddingTable): Float64Array {
  const K = data.length / rows;
  return Float64Array.from({ length: rows }, (_, j) => {
    let square = 0;
    for (let at = j * K; at < (j + 1) * K; at++) square += data[at]! * data[at]!;
    return Math.sqrt(square);
  });
}
