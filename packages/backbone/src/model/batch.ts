// Documents → the integer inputs of a graph: packed token ids, positions, segments, where soft tokens lie and which
// table row each is.
import type { Tensor } from "@cllm4rec/onnx-grad";
import { packSequences } from "../packing/pack.js";
import type { EmbeddingTable, RowGradients, SoftTables } from "./documents.js";

// Shape legend: B rows, T positions a row, S soft positions, R distinct soft tokens, D width of the tables.

export interface Vocabulary {
  /** N */
  readonly words: number;
  /** I */
  readonly users: number;
  /** J */
  readonly items: number;
  /** D of the tables: K, or more, of which the LM reads the first K. */
  readonly width: number;
  /** K of the LM. */
  readonly hiddenSize: number;
  /** Of the backbone's attention. */
  readonly headSize: number;
  /** The longest sequence. */
  readonly maxPositions: number;
}

/** The inputs of every graph of the base model. */
export type BatchFeeds = Record<"ids" | "positions" | "segments" | "softPositions" | "softIndex" | "softRows", Tensor>;

/** A packed batch: graph inputs, and how to find sequences and soft rows in it again. */
export interface PackedBatch {
  readonly feeds: BatchFeeds;
  /**
   * Flat index in the [B·T] tokens of token t of sequence s; of the decoder, where there is an encoder too. Sequences
   * of a row that begin alike may have their first tokens in common.
   */
  readonly place: (s: number, t: number) => number;
  /** Tokens of every sequence from there on. */
  readonly lengths: readonly number[];
  /** Extended ids of the R distinct soft tokens, ascending: the rows of `softRows`. */
  readonly softTokens: Int32Array;
  /** The sequence that each of the S soft positions is in. */
  readonly softSequences: Int32Array;
  /** In how many blocks attention takes the queries of a row: more for long rows; T is a multiple of it. */
  readonly queryBlocks: number;
  /** Tokens computed, padding included: B·T, and the encoder's. */
  readonly computedTokens: number;
  readonly usefulTokens: number;
}

/** The segment of words that every sequence of a row begins with. */
export const SHARED_SEGMENT = -2;

/**
 * Packs sequences of extended ids. Words that all of them begin with ("The user has interacted with") are computed once
 * a row, not once a
 * sequence: every sequence of the row looks at them, and their hidden states are the same for all.
 * @param queryBlocks in how many blocks attention is to take the queries; chosen by the longest sequence where absent
 * @throws RangeError naming sequence, position and value for an id outside the extended vocabulary, an empty sequence,
 *   or one that is longer than the backbone's positions
 */
export function packBatch(
  sequences: readonly ArrayLike<number>[],
  vocabulary: Vocabulary,
  tables: SoftTables,
  queryBlocks = blocksFor(sequences.reduce((longest, { length }) => Math.max(longest, length), 0)),
): PackedBatch {
  checkTables(tables, vocabulary);
  for (const [i, ids] of sequences.entries()) checkSequence(ids, `sequence ${i}`, vocabulary);
  const lengths = sequences.map(({ length }) => length);
  const shared = sharedWords(sequences, vocabulary.words);
  const { rows, rowLength, placements } = packSequences(
    lengths.map((length) => length - shared),
    { width: vocabulary.hiddenSize, headSize: vocabulary.headSize, multiple: queryBlocks, reserved: shared },
  );
  const place = (s: number, t: number) => {
    const { row, offset } = placements[s]!;
    return row * rowLength + (t < shared ? t : offset + t - shared);
  };
  const { ids, positions, segments, soft } = fillRows(sequences, place, [rows, rowLength], vocabulary.words, shared);
  const { softTokens, softSequences, feeds } = softFeeds(soft, vocabulary, tables);
  return {
    feeds: { ids, positions, segments, ...feeds },
    place,
    lengths,
    softTokens,
    softSequences,
    queryBlocks,
    computedTokens: rows * rowLength,
    usefulTokens: lengths.reduce((a, b) => a + b, 0),
  };
}

/** The inputs of graphs that score nothing but the last position of every sequence. */
export type LastFeeds = Record<"scored" | "queries" | "queryPlaces", Tensor>;

/**
 * Where the last position of every sequence is among the B·T tokens (`scored`, [M]), the same by rows (`queries` [B,
 * W], rows with fewer sequences filled up with their first token), and where each sequence's is among those
 * (`queryPlaces` [M]).
 */
export function lastQueries({ feeds, place, lengths }: PackedBatch): LastFeeds {
  const [rows, rowLength] = feeds.ids.shape as [number, number];
  const last = lengths.map((length, s) => place(s, length - 1));
  const counts = new Int32Array(rows);
  const within = last.map((position) => counts[Math.floor(position / rowLength)]!++);
  const most = counts.reduce((a, b) => Math.max(a, b), 1);
  const places = last.map((position, s) => Math.floor(position / rowLength) * most + within[s]!);
  const queries = BigInt64Array.from({ length: rows * most }, (_, i) => BigInt(Math.floor(i / most) * rowLength));
  places.forEach((at, s) => {
    queries[at] = BigInt(last[s]!);
  });
  return { scored: int64Vector(last), queries: int64([rows, most], queries), queryPlaces: int64Vector(places) };
}

/** One soft token of a batch: its position among all tokens of the batch, and its extended id. */
export interface SoftOccurrence {
  readonly position: number;
  readonly token: number;
  /** Which of the batch's sequences it is in. */
  readonly sequence: number;
}

/** How many words all sequences begin with; each keeps a token of its own. */
function sharedWords(sequences: readonly ArrayLike<number>[], words: number): number {
  const [first] = sequences;
  if (!first || sequences.length === 1) return 0;
  const most = sequences.reduce((least, { length }) => Math.min(least, length - 1), first.length - 1);
  let shared = 0;
  while (shared < most && first[shared]! < words && sequences.every((ids) => ids[shared] === first[shared])) shared++;
  return shared;
}

/**
 * The sequences in their places: int64 [B, T] each, and where soft tokens are. Padding is token 0 at position 0 of
 * segment −1.
 * @param shared tokens that sequences of a row have in common
 */
export function fillRows(
  sequences: readonly ArrayLike<number>[],
  place: PackedBatch["place"],
  shape: readonly [rows: number, rowLength: number],
  words: number,
  shared = 0,
): Record<"ids" | "positions" | "segments", Tensor> & { readonly soft: readonly SoftOccurrence[] } {
  const tokens = shape[0] * shape[1];
  const ids = new BigInt64Array(tokens);
  const positions = new BigInt64Array(tokens);
  const segments = new BigInt64Array(tokens).fill(-1n);
  const soft: SoftOccurrence[] = [];
  sequences.forEach((sequence, s) => {
    for (let t = 0; t < sequence.length; t++) {
      const [token, position] = [sequence[t]!, place(s, t)];
      positions[position] = BigInt(t);
      segments[position] = BigInt(t < shared ? SHARED_SEGMENT : s);
      if (token < words) ids[position] = BigInt(token);
      else soft.push({ position, token, sequence: s });
    }
  });
  return { ids: int64(shape, ids), positions: int64(shape, positions), segments: int64(shape, segments), soft };
}

/** The graph inputs with the positions and embeddings of the soft tokens. */
export function softFeeds(
  soft: readonly SoftOccurrence[],
  vocabulary: Vocabulary,
  tables: SoftTables,
): {
  readonly softTokens: Int32Array;
  readonly softSequences: Int32Array;
  readonly feeds: Pick<BatchFeeds, "softPositions" | "softIndex" | "softRows">;
} {
  const softTokens = Int32Array.from(new Set(soft.map(({ token }) => token))).sort();
  const indexOf = new Map(Array.from(softTokens, (token, row) => [token, row]));
  const positions = BigInt64Array.from(soft, ({ position }) => BigInt(position));
  const index = BigInt64Array.from(soft, ({ token }) => BigInt(indexOf.get(token)!));
  return {
    softTokens,
    softSequences: Int32Array.from(soft, ({ sequence }) => sequence),
    feeds: {
      softPositions: int64([soft.length, 1], positions),
      softIndex: int64([soft.length], index),
      softRows: {
        dtype: "float32",
        shape: [softTokens.length, vocabulary.width],
        data: gatherRows(softTokens, vocabulary, tables),
      },
    },
  };
}

export const int64 = (shape: readonly number[], data: BigInt64Array): Tensor => ({ dtype: "int64", shape, data });

export const int64Vector = (numbers: readonly number[]): Tensor =>
  int64([numbers.length], BigInt64Array.from(numbers, BigInt));

/** Blocks of at least 128 queries; three variants, so that a session for each is no burden. */
export function blocksFor(longest: number): number {
  return longest < 256 ? 1 : longest < 512 ? 2 : 4;
}

/**
 * Gradients of the occurrences of soft tokens, [S, D], added up by token in the order of the batch, and divided into
 * users and items. Added here and not in the graph: a few thousand rows cost nothing, and the order of additions is the
 * same on every run.
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

/** @throws RangeError for a table of another size than the vocabulary says */
export function checkTables({ users, items }: SoftTables, vocabulary: Vocabulary): void {
  checkTable("users", users, vocabulary.users, vocabulary.width);
  checkTable("items", items, vocabulary.items, vocabulary.width);
}

function checkTable(name: string, { rows, data }: EmbeddingTable, expected: number, width: number): void {
  if (rows !== expected || data.length !== rows * width) {
    throw new RangeError(
      `table ${name}: ${rows} rows, ${data.length} numbers; expected ${expected} rows of width ${width}`,
    );
  }
}

/**
 * @param name how messages call the sequence
 * @throws RangeError for an empty or over-long sequence, or an id outside the extended vocabulary
 */
export function checkSequence(ids: ArrayLike<number>, name: string, vocabulary: Vocabulary): void {
  const size = vocabulary.words + vocabulary.users + vocabulary.items;
  if (ids.length === 0) throw new RangeError(`${name} is empty`);
  if (ids.length > vocabulary.maxPositions) {
    throw new RangeError(`${name} has ${ids.length} tokens; the backbone has positions for ${vocabulary.maxPositions}`);
  }
  for (let t = 0; t < ids.length; t++) {
    const id = ids[t]!;
    if (!Number.isInteger(id) || id < 0 || id >= size) {
      throw new RangeError(`${name}, position ${t}: id ${id} is outside the extended vocabulary 0 … ${size - 1}`);
    }
  }
}
