// Sequences of unequal length to one padded batch of typed arrays. B = sequences, T = padded length.

/** How to pad. */
export interface PadOptions {
  /**
   * Id written into the padding, a token of the vocabulary; the attention mask is 0 there. There is no default: models
   * differ.
   */
  readonly padId: number;
  /**
   * Where the padding goes; `"left"` keeps the last position real, as decoder-only generation needs it. Default
   * `"right"`.
   */
  readonly side?: "left" | "right";
  /** Pad to this T instead of the longest sequence. A longer sequence is an error: nothing is cut here. */
  readonly length?: number;
  /** Round T up to a multiple of this. Default 1. */
  readonly multipleOf?: number;
}

/** A padded batch, row-major. */
export interface PaddedBatch {
  /** B, the number of sequences. */
  readonly batchSize: number;
  /** T, the padded length. */
  readonly length: number;
  /** Token ids, [B, T]. */
  readonly ids: Int32Array;
  /** 1 on real positions, 0 on padding, [B, T]. */
  readonly attentionMask: Int32Array;
  /** Unpadded length of each sequence, [B]. */
  readonly lengths: Int32Array;
}

function checkWhole(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} is ${String(value)}, expected a whole number of at least ${least}`);
  }
}

/**
 * Pads sequences of ids into one batch. No sequence is ever cut; an empty batch has length 0 (or `length`).
 *
 * @throws RangeError for a sequence longer than `length`, or an option that is not a whole number in its range.
 */
export function padSequences(sequences: readonly ArrayLike<number>[], options: PadOptions): PaddedBatch {
  const { padId, side = "right", length, multipleOf = 1 } = options;
  checkWhole("padId", padId, 0);
  checkWhole("multipleOf", multipleOf, 1);
  if (length !== undefined) checkWhole("length", length, 0);
  if (side !== "left" && side !== "right") {
    throw new RangeError(`side is ${JSON.stringify(side)}, expected "left" or "right"`);
  }
  const B = sequences.length;
  const lengths = Int32Array.from(sequences, (sequence) => sequence.length);
  const longest = lengths.reduce((most, n) => Math.max(most, n), 0);
  if (length !== undefined && longest > length) {
    const at = lengths.indexOf(longest);
    throw new RangeError(
      `sequence ${at} has ${longest} ids, more than the batch length ${length}; shorten it before padding, or ` +
        "raise length",
    );
  }
  const T = Math.ceil((length ?? longest) / multipleOf) * multipleOf;
  const ids = new Int32Array(B * T).fill(padId); // [B, T]
  const attentionMask = new Int32Array(B * T); // [B, T]
  for (let b = 0; b < B; b++) {
    const n = lengths[b]!;
    const start = b * T + (side === "left" ? T - n : 0);
    ids.set(sequences[b]!, start);
    attentionMask.fill(1, start, start + n);
  }
  return { batchSize: B, length: T, ids, attentionMask, lengths };
}
