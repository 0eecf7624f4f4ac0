// Checks of arguments that every source and plan shares.
import { CorpusUsageError } from "../errors.js";
import type { Moment } from "./types.js";

/** Throws unless the seed and epoch can key the generator. */
export function checkMoment({ seed, epoch }: Moment): void {
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw new CorpusUsageError(`seed is ${seed}; it has to be an integer from 0 to ${Number.MAX_SAFE_INTEGER}`);
  }
  if (!Number.isInteger(epoch) || epoch < 0 || epoch > 0xffffffff) {
    throw new CorpusUsageError(`epoch is ${epoch}; it has to be an integer from 0 to ${0xffffffff}`);
  }
}

/** Throws unless there is such a document. */
export function checkIndex(index: number, length: number): void {
  if (!Number.isInteger(index) || index < 0 || index >= length) {
    throw new CorpusUsageError(`there is no document ${index}; there are ${length}, numbered from 0`);
  }
}

/** Throws unless the longest sequence is a positive integer. */
export function checkMaxLength(maxLength: number): void {
  if (!Number.isInteger(maxLength) || maxLength < 1) {
    throw new CorpusUsageError(
      `maxLength is ${maxLength}; it has to be a positive integer, at most what the backbone's positions allow`,
    );
  }
}
