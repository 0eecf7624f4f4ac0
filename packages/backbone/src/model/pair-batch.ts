// Documents of an encoder–decoder LM → the integer inputs of a graph: both sequences packed, and which encoder states
// each row looks at.
import type { Tensor } from "@cllm4rec/onnx-grad";
import { packSequences } from "../packing/pack.js";
import { packPairs } from "../packing/pack-pairs.js";
import {
  type BatchFeeds,
  blocksFor,
  checkSequence,
  checkTables,
  fillRows,
  int64,
  type PackedBatch,
  softFeeds,
  type Vocabulary,
} from "./batch.js";
import type { EncoderDecoderSequence, SoftTables } from "./documents.js";

// Shape legend: A rows of E positions in the encoder; B rows of T positions in the decoder, each beside V positions of
// memory.

/**
 * The inputs of an encoder–decoder's graphs on top of {@link BatchFeeds}, which are the decoder's; soft positions count
 * the encoder's A·E tokens first.
 */
export type EncoderFeeds = Record<
  "encoderIds" | "encoderPositions" | "encoderSegments" | "memoryIndex" | "memorySegments",
  Tensor
>;

export interface PackedPairs extends PackedBatch {
  readonly feeds: BatchFeeds & EncoderFeeds;
}

/**
 * Packs pairs of sequences of extended ids. The encoder's are packed by themselves, so that next to no padding is
 * computed there; the memory brings what each of the decoder's rows needs of them to its side.
 * @throws RangeError naming document, side, position and value for an id outside the extended vocabulary, an empty
 *   sequence, or one that is longer than the backbone is to be used with
 */
export function packPairBatch(
  sequences: readonly EncoderDecoderSequence[],
  vocabulary: Vocabulary,
  tables: SoftTables,
): PackedPairs {
  checkTables(tables, vocabulary);
  for (const [i, { encoderIds, decoderIds }] of sequences.entries()) {
    checkSequence(encoderIds, `sequence ${i} of the encoder`, vocabulary);
    checkSequence(decoderIds, `sequence ${i} of the decoder`, vocabulary);
  }
  const { hiddenSize: width, headSize, words } = vocabulary;
  const lengths = sequences.map(({ encoderIds, decoderIds }) => ({
    encoder: encoderIds.length,
    decoder: decoderIds.length,
  }));
  const longest = lengths.reduce((most, { decoder }) => Math.max(most, decoder), 0);
  const queryBlocks = blocksFor(longest);
  const encoder = packSequences(
    lengths.map((length) => length.encoder),
    { width, headSize },
  );
  const { rows, decoderLength, memoryLength, placements } = packPairs(lengths, { width, multiple: queryBlocks });
  const encoderStarts = encoder.placements.map(({ row, offset }) => row * encoder.rowLength + offset);
  const starts = placements.map(({ row, decoderOffset }) => row * decoderLength + decoderOffset);
  const place = (s: number, t: number) => starts[s]! + t;
  const read = fillRows(
    sequences.map(({ encoderIds }) => encoderIds),
    (s, t) => encoderStarts[s]! + t,
    [encoder.rows, encoder.rowLength],
    words,
  );
  const written = fillRows(
    sequences.map(({ decoderIds }) => decoderIds),
    place,
    [rows, decoderLength],
    words,
  );
  const encoderTokens = encoder.rows * encoder.rowLength;
  const later = written.soft.map((one) => ({ ...one, position: encoderTokens + one.position }));
  const { softTokens, softSequences, feeds } = softFeeds([...read.soft, ...later], vocabulary, tables);
  const memoryIndex = new BigInt64Array(rows * memoryLength);
  const memorySegments = new BigInt64Array(rows * memoryLength).fill(-1n);
  placements.forEach(({ row, memoryOffset }, s) => {
    const from = row * memoryLength + memoryOffset;
    for (let t = 0; t < lengths[s]!.encoder; t++) {
      memoryIndex[from + t] = BigInt(encoderStarts[s]! + t);
      memorySegments[from + t] = BigInt(s);
    }
  });
  return {
    feeds: {
      encoderIds: read.ids,
      encoderPositions: read.positions,
      encoderSegments: read.segments,
      memoryIndex: int64([rows, memoryLength], memoryIndex),
      memorySegments: int64([rows, memoryLength], memorySegments),
      ids: written.ids,
      positions: written.positions,
      segments: written.segments,
      ...feeds,
    },
    place,
    lengths: lengths.map(({ decoder }) => decoder),
    softTokens,
    softSequences,
    queryBlocks,
    computedTokens: encoderTokens + rows * decoderLength,
    usefulTokens: lengths.reduce((sum, pair) => sum + pair.encoder + pair.decoder, 0),
  };
}
