// Blocks of features, each with a weight, and all of them as one matrix: what a model that reads texts is given.
// Shape legend: D rows (texts, items or users), F columns of a block, n stored values.
import { CorpusUsageError } from "../errors.js";

/** Sparse features: row `d` holds `values[p]` in column `indices[p]` for p from `indptr[d]` to `indptr[d + 1]` − 1. */
export interface SparseFeatures {
  /** D */
  readonly rows: number;
  /** F */
  readonly columns: number;
  /** [D + 1] */
  readonly indptr: Int32Array;
  /** [n], ascending within a row */
  readonly indices: Int32Array;
  /** [n] */
  readonly values: Float32Array;
}

/** Dense features, such as the output of a sentence encoder. */
export interface DenseFeatures {
  /** D */
  readonly rows: number;
  /** F */
  readonly columns: number;
  readonly indptr?: undefined;
  readonly indices?: undefined;
  /** [D, F], row-major */
  readonly values: Float32Array;
}

/**
 * One kind of features of the same D rows. `indptr` tells the two layouts apart. A block needs no conversion from what
 * makes features: `{ name: "words", weight: 2, ...wordFeatures(texts) }`, or `{ name: "minilm", weight: 1, rows,
 * columns, values }`.
 */
export type FeatureBlock = {
  /** How messages and reports call it, different from the other blocks' names. */
  readonly name: string;
  /** What its values are multiplied by; 0 or more. */
  readonly weight: number;
} & (SparseFeatures | DenseFeatures);

/**
 * Checks blocks that are to be used together: names, weights, sizes, indices in range and ascending, finite values.
 * @param rows D, where the caller knows it; otherwise all blocks must have as many rows as the first
 * @throws CorpusUsageError naming the block, what was found and what was expected
 */
export function checkFeatureBlocks(blocks: readonly FeatureBlock[], rows = blocks[0]?.rows ?? 0): void {
  const names = new Set<string>();
  for (const block of blocks) {
    const wrong = (found: string, expected: string): never => {
      throw new CorpusUsageError(`feature block ${JSON.stringify(block.name)}: found ${found}, expected ${expected}`);
    };
    if (names.has(block.name)) wrong("this name twice", "a name of its own for each block");
    names.add(block.name);
    if (!(block.weight >= 0 && Number.isFinite(block.weight))) wrong(`weight ${block.weight}`, "a number of 0 or more");
    if (block.rows !== rows) wrong(`${block.rows} rows`, `${rows}`);
    const bad = block.values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) wrong(`${block.values[bad]} at value ${bad}`, "finite values");
    if (block.indptr === undefined) {
      const size = block.rows * block.columns;
      if (block.values.length !== size)
        wrong(`${block.values.length} values`, `${block.rows} × ${block.columns} = ${size}`);
    } else checkSparse(block, wrong);
  }
}

function checkSparse(block: SparseFeatures, wrong: (found: string, expected: string) => never): void {
  const { rows, columns, indptr, indices, values } = block;
  if (indptr.length !== rows + 1) wrong(`indptr of length ${indptr.length}`, `rows + 1 = ${rows + 1}`);
  if (indptr[0] !== 0 || indptr[rows] !== values.length || indices.length !== values.length) {
    const found = `indptr from ${indptr[0]} to ${indptr[rows]}, ${indices.length} indices, ${values.length} values`;
    wrong(found, "indptr from 0 to the number of indices and of values");
  }
  for (let d = 0; d < rows; d++) {
    if (indptr[d + 1]! < indptr[d]!) wrong(`indptr ${indptr[d]} before ${indptr[d + 1]}`, "ascending indptr");
    for (let p = indptr[d]!; p < indptr[d + 1]!; p++) {
      const least = p === indptr[d] ? 0 : indices[p - 1]! + 1;
      if (indices[p]! < least || indices[p]! >= columns)
        wrong(`column ${indices[p]} in row ${d}`, `ascending columns below ${columns}`);
    }
  }
}

/**
 * All blocks as one sparse matrix: their columns side by side, each block's values multiplied by its weight. Zeros are
 * not stored.
 * @returns [D, ΣF]
 * @throws CorpusUsageError as {@link checkFeatureBlocks}, and where there is no block
 */
export function combineFeatures(blocks: readonly FeatureBlock[]): SparseFeatures {
  const rows = blocks[0]?.rows;
  if (rows === undefined) throw new CorpusUsageError("feature blocks: found none, expected at least one");
  checkFeatureBlocks(blocks);
  const most = blocks.reduce((sum, { values }) => sum + values.length, 0);
  const [indptr, indices, values] = [new Int32Array(rows + 1), new Int32Array(most), new Float32Array(most)];
  let n = 0;
  for (let d = 0; d < rows; d++) {
    let offset = 0;
    for (const block of blocks) {
      const { columns, weight } = block;
      const [from, to] = block.indptr ? [block.indptr[d]!, block.indptr[d + 1]!] : [d * columns, (d + 1) * columns];
      for (let p = from; p < to; p++) {
        const value = weight * block.values[p]!;
        if (value === 0) continue;
        indices[n] = offset + (block.indices ? block.indices[p]! : p - from);
        values[n++] = value;
      }
      offset += columns;
    }
    indptr[d + 1] = n;
  }
  const columns = blocks.reduce((sum, block) => sum + block.columns, 0);
  return { rows, columns, indptr, indices: indices.slice(0, n), values: values.slice(0, n) };
}
