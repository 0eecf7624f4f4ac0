// A batch's sequences as one array: padded to a rectangle, or packed end to end. For callers that do not pack themselves.
// B sequences of lengths T_b; T the longest.

/** Sequences as a rectangle, [B, T] in row-major order. */
export interface PaddedRows {
  readonly values: Int32Array;
  readonly rows: number;
  readonly columns: number;
  /** [B, T] 1 where a value is a sequence's own, 0 where it is fill. */
  readonly mask: Uint8Array;
}

/**
 * Pads sequences on the right with `fill`: a padding id for ids, −1 for targets.
 *
 * @example
 * const ids = padRows(batch.documents.map((document) => document.ids), 0);
 * const targets = padRows(batch.documents.map((document) => document.targets), -1);
 */
export function padRows(sequences: readonly Int32Array[], fill: number): PaddedRows {
  const columns = sequences.reduce((longest, { length }) => Math.max(longest, length), 0);
  const values = new Int32Array(sequences.length * columns).fill(fill);
  const mask = new Uint8Array(values.length);
  for (const [b, sequence] of sequences.entries()) {
    values.set(sequence, b * columns);
    mask.fill(1, b * columns, b * columns + sequence.length);
  }
  return { values, rows: sequences.length, columns, mask };
}

/** Sequences end to end: sequence b is `values[offsets[b] … offsets[b + 1])`. */
export interface PackedRows {
  /** [ΣT_b] */
  readonly values: Int32Array;
  /** [B + 1] */
  readonly offsets: Int32Array;
}

/** Packs sequences without padding. Attention must not cross the offsets. */
export function packRows(sequences: readonly Int32Array[]): PackedRows {
  const offsets = new Int32Array(sequences.length + 1);
  for (const [b, { length }] of sequences.entries()) offsets[b + 1] = offsets[b]! + length;
  const values = new Int32Array(offsets[sequences.length]!);
  for (const [b, sequence] of sequences.entries()) values.set(sequence, offsets[b]);
  return { values, offsets };
}

/** The share of a padded rectangle that is fill: 1 − Σ T_b / (B · T). */
export function paddingShare(lengths: ArrayLike<number>): number {
  let longest = 0;
  let sum = 0;
  for (let b = 0; b < lengths.length; b++) {
    longest = Math.max(longest, lengths[b]!);
    sum += lengths[b]!;
  }
  return sum === 0 ? 0 : 1 - sum / (longest * lengths.length);
}
