// The arithmetic of ids: N rows of the backbone, then I users, then J items. Nothing is stored per user or item.

/** Sizes of the extended vocabulary: N = rows, I = users, J = items. */
export interface IdSpaceSizes {
  /**
   * N, the rows of the backbone's embedding matrix; the first user token has this id. May exceed the tokenizer's own
   * size.
   */
  readonly rows: number;
  /** I, the number of users. */
  readonly users: number;
  /** J, the number of items. */
  readonly items: number;
}

/** What an id means. `index` is the vocabulary id itself, the user i or the item j. */
export interface TokenKind {
  readonly kind: "vocabulary" | "user" | "item";
  readonly index: number;
}

/** Ids are handed to engines as 32-bit signed integers. */
const LARGEST_SIZE = 2 ** 31 - 1;

/**
 * Throws a RangeError unless the sizes are whole numbers (N ≥ 1, I ≥ 0, J ≥ 0) and every id fits a signed 32-bit
 * integer.
 */
export function checkSizes({ rows, users, items }: IdSpaceSizes): void {
  for (const [name, value, least] of [
    ["rows", rows, 1],
    ["users", users, 0],
    ["items", items, 0],
  ] as const) {
    if (!Number.isSafeInteger(value) || value < least) {
      throw new RangeError(`${name} is ${String(value)}, expected a whole number of at least ${least}`);
    }
  }
  if (rows + users + items > LARGEST_SIZE) {
    throw new RangeError(
      `rows + users + items is ${rows + users + items}, expected at most ${LARGEST_SIZE} (ids are 32-bit integers)`,
    );
  }
}

/** The largest index in words, for error messages. */
export function rangeInWords(count: number): string {
  return count === 0 ? "none (the count is 0)" : `0 to ${count - 1}`;
}

/** Throws a RangeError unless `index` is a whole number in [0, count). */
export function checkIndex(kind: "user" | "item", index: number, count: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= count) {
    throw new RangeError(`${kind} ${String(index)} is out of range, expected ${rangeInWords(count)}`);
  }
}

/** What `id` means; throws a RangeError unless it is a whole number in [0, N + I + J). */
export function kindOf(id: number, { rows, users, items }: IdSpaceSizes): TokenKind {
  if (!Number.isInteger(id) || id < 0 || id >= rows + users + items) {
    throw new RangeError(`id ${String(id)} is out of range, expected ${rangeInWords(rows + users + items)}`);
  }
  if (id < rows) return { kind: "vocabulary", index: id };
  return id < rows + users ? { kind: "user", index: id - rows } : { kind: "item", index: id - rows - users };
}
