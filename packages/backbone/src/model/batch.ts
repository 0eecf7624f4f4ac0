// Documents → the integer inputs of a graph: packed token ids, positions, segments, where soft tokens lie and which table row each is.
import type { Tensor } from "@cllm4rec/onnx-grad";
import { packSequences } from "../packing/pack.js";
import type { EmbeddingTable, RowGradients, SoftTables } from "./documents.js";

// Shape legend: B rows, T positions a row, S soft positions, R distinct soft tokens, K width.

export interface Vocabulary {
  /** N */
  readonly words: number;
  /** I */
  readonly users: number;
  /** J */
  readonly items: number;
  /** K */
  readonly width: number;
  /** The longest sequence. */
  readonly maxPositions: number;
}

/** A packed batch: graph inputs, and how to find sequences and soft rows in it again. */
export interface PackedBatch {
  readonly feeds: Record<"ids" | "positions" | "segments" | "softPositions" | "softIndex" | "softRows", Tensor>;
  /** Flat index of the first token of every sequence in the [B·T] tokens. */
  readonly starts: readonly number[];
  /** Extended ids of the R distinct soft tokens, ascending: the rows of `softRows`. */
  readonly softTokens: Int32Array;
  /** In how many blocks attention takes the queries of a row: more for long rows; T is a multiple of it. */
  readonly queryBlocks: number;
  /** Tokens computed, padding included: B·T. */
  readonly computedTokens: number;
  readonly usefulTokens: number;
}

/**
 * Packs sequences of extended ids.
 * @param queryBlocks in how many blocks attention is to take the queries; chosen by the longest sequence where absent
 * @throws RangeError naming sequence, position and value for an id outside the extended vocabulary, an empty sequence, or one that is
 *   longer than the backbone's positions
 */
export function packBatch(
  sequences: readonly ArrayLike<number>[],
  vocabulary: Vocabulary,
  tables: SoftTables,
  queryBlocks = blocksFor(sequences.reduce((longest, { length }) => Math.max(longest, length), 0)),
): PackedBatch {
  checkTable("users", tables.users, vocabulary.users, vocabulary.width);
  checkTable("items", tables.items, vocabulary.items, vocabulary.width);
  for (const [i, ids] of sequences.entries()) checkSequence(ids, i, vocabulary);
  const lengths = sequences.map(({ length }) => length);
  const { rows, rowLength, placements } = packSequences(lengths, { width: vocabulary.width, multiple: queryBlocks });
  const tokens = rows * rowLength;
  const ids = new BigInt64Array(tokens);
  const positions = new BigInt64Array(tokens);
  const segments = new BigInt64Array(tokens).fill(-1n);
  const soft: { position: number; token: number }[] = [];
  const starts = placements.map(({ row, offset }) => row * rowLength + offset);
  sequences.forEach((sequence, s) => {
    const start = starts[s]!;
    for (let t = 0; t < sequence.length; t++) {
      const token = sequence[t]!;
      positions[start + t] = BigInt(t);
      segments[start + t] = BigInt(s);
      if (token < vocabulary.words) ids[start + t] = BigInt(token);
      else soft.push({ position: start + t, token });
    }
  });
  const softTokens = Int32Array.from(new Set(soft.map(({ token }) => token))).sort();
  const indexOf = new Map(Array.from(softTokens, (token, row) => [token, row]));
  const int64 = (shape: readonly number[], data: BigInt64Array): Tensor => ({ dtype: "int64", shape, data });
  return {
    feeds: {
      ids: int64([rows, rowLength], ids),
      positions: int64([rows, rowLength], positions),
      segments: int64([rows, rowLength], segments),
      softPositions: int64(
        [soft.length, 1],
        BigInt64Array.from(soft, ({ position }) => BigInt(position)),
      ),
      softIndex: int64(
        [soft.length],
        BigInt64Array.from(soft, ({ token }) => BigInt(indexOf.get(token)!)),
      ),
      softRows: {
        dtype: "float32",
        shape: [softTokens.length, vocabulary.width],
        data: gatherRows(softTokens, vocabulary, tables),
      },
    },
    starts,
    softTokens,
    queryBlocks,
    computedTokens: tokens,
    usefulTokens: lengths.reduce((a, b) => a + b, 0),
  };
}

/** Blocks of at least 128 queries; three variants, so that a session for each is no burden. */
function blocksFor(longest: number): number {
  return longest < 256 ? 1 : longest < 512 ? 2 : 4;
}

/**
 * Gradients of the occurrences of soft tokens, [S, K], added up by token in the order of the batch, and divided into users and items.
 * Added here and not in the graph: a few thousand rows cost nothing, and the order of additions is the same on every run.
 */
export function sumSoftGradients(
  { feeds, softTokens }: PackedBatch,
  occurrences: Float32Array,
  { words, users, width }: Vocabulary,
): { users: RowGradients; items: RowGradients } {
  const data = new Float32Array(softTokens.length * width);
  (feeds.softIndex.data as BigInt64Array).forEach((index, s) => {
    const row = Number(index) * width;
    for (let k = 0; k < width; k++) data[row + k]! += occurrences[s * width + k]!;
  });
  const boundary = lowerBound(softTokens, words + users);
  return {
    users: {
      rows: softTokens.slice(0, boundary).map((token) => token - words),
      data: data.subarray(0, boundary * width),
    },
    items: {
      rows: softTokens.slice(boundary).map((token) => token - words - users),
      data: data.subarray(boundary * width),
    },
  };
}

function lowerBound(sorted: Int32Array, value: number): number {
  const found = sorted.findIndex((element) => element >= value);
  return found < 0 ? sorted.length : found;
}

function gatherRows(softTokens: Int32Array, { words, users, width }: Vocabulary, tables: SoftTables): Float32Array {
  const rows = new Float32Array(softTokens.length * width);
  softTokens.forEach((token, r) => {
    const [table, row] = token < words + users ? [tables.users, token - words] : [tables.items, token - words - users];
    rows.set(table.data.subarray(row * width, (row + 1) * width), r * width);
  });
  return rows;
}

function checkTable(name: string, { rows, data }: EmbeddingTable, expected: number, width: number): void {
  if (rows !== expected || data.length !== rows * width) {
    throw new RangeError(
      `table ${name}: ${rows} rows, ${data.length} numbers; expected ${expected} rows of width ${width}`,
    );
  }
}

function checkSequence(ids: ArrayLike<number>, index: number, vocabulary: Vocabulary): void {
  const size = vocabulary.words + vocabulary.users + vocabulary.items;
  if (ids.length === 0) throw new RangeError(`sequence ${index} is empty`);
  if (ids.length > vocabulary.maxPositions) {
    throw new RangeError(
      `sequence ${index} has ${ids.length} tokens; the backbone has positions for ${vocabulary.maxPositions}`,
    );
  }
  for (let t = 0; t < ids.length; t++) {
    const id = ids[t]!;
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      throw new RangeError(
        `sequence ${index}, position ${t}: id ${id} is outside the extended vocabulary 0 … ${size - 1}`,
      );
    }
  }
}
