// Texts as rows of tf-idf weights of their words: the features that a linear model with side information reads.
// Shape legend: D texts (rows), W words (columns).
import type { SparseFeatures } from "./feature-block.js";

/** What decides the columns of {@link WordFeatures}: enough to make rows of later texts, such as those of new items. */
export interface WordVocabulary {
  /** [W] the word of each column, in code unit order */
  readonly words: readonly string[];
  /** [W] the inverse document frequency of each word */
  readonly idf: Float64Array;
}

/** tf-idf weights: a column for each of W words. */
export interface WordFeatures extends SparseFeatures, WordVocabulary {}

export interface WordFeaturesOptions {
  /** Leaves out words that are in fewer texts; default 1. */
  readonly minTexts?: number;
  /** Leaves out words that are in more than this share of the texts that have any word; default 1. */
  readonly maxShare?: number;
  /** Keeps only this many words, those in the most texts (ties: the first in code unit order); default: all. */
  readonly maxWords?: number;
}

/**
 * tf-idf of whole words: lower-cased runs of letters and digits, weight tf · (ln((1 + D) / (1 + df)) + 1), each row
 * scaled to length 1. The same numbers as scikit-learn's `TfidfVectorizer` with `token_pattern=r"[^\W_]+"`; D counts
 * all texts, empty ones included.
 * @param texts [D]; null or empty gives a row of zeros
 * @throws RangeError for options out of range
 */
export function wordFeatures(
  texts: readonly (string | null)[],
  { minTexts = 1, maxShare = 1, maxWords = Number.POSITIVE_INFINITY }: WordFeaturesOptions = {},
): WordFeatures {
  if (!(Number.isInteger(minTexts) && minTexts >= 1))
    throw new RangeError(`minTexts: found ${minTexts}, expected an integer of at least 1`);
  if (!(maxShare > 0 && maxShare <= 1))
    throw new RangeError(`maxShare: found ${maxShare}, expected a number above 0 and at most 1`);
  if (!(maxWords >= 1)) throw new RangeError(`maxWords: found ${maxWords}, expected a number of at least 1`);
  const counts = texts.map(countWords);
  const frequency = new Map<string, number>();
  for (const words of counts) for (const word of words.keys()) frequency.set(word, (frequency.get(word) ?? 0) + 1);
  const described = counts.filter((words) => words.size > 0).length;
  const kept = [...frequency].filter(([, df]) => df >= minTexts && df <= maxShare * described);
  if (kept.length > maxWords) {
    kept.sort(([a, dfA], [b, dfB]) => dfB - dfA || compare(a, b));
    kept.length = Math.floor(maxWords);
  }
  const words = kept.map(([word]) => word).sort(compare);
  const idf = Float64Array.from(words, (word) => Math.log((1 + texts.length) / (1 + frequency.get(word)!)) + 1);
  return { ...weighted(counts, { words, idf }), words, idf };
}

/**
 * Texts as rows of a vocabulary that {@link wordFeatures} made of other texts: the row that a text would have had among
 * them. Words that the vocabulary does not have are left out.
 * @param texts [D]; null or empty gives a row of zeros
 * @throws RangeError for a vocabulary with another number of words than of frequencies
 */
export function encodeWords(texts: readonly (string | null)[], vocabulary: WordVocabulary): SparseFeatures {
  const { words, idf } = vocabulary;
  if (words.length !== idf.length)
    throw new RangeError(`vocabulary: found ${words.length} words and ${idf.length} frequencies, expected as many`);
  return weighted(texts.map(countWords), vocabulary);
}

/** Rows of tf · idf, each scaled to length 1. */
function weighted(counts: readonly ReadonlyMap<string, number>[], { words, idf }: WordVocabulary): SparseFeatures {
  const column = new Map(words.map((word, w) => [word, w]));
  const indptr = new Int32Array(counts.length + 1);
  const indices: number[] = [];
  const values: number[] = [];
  counts.forEach((row, d) => {
    const entries = [...row].flatMap(([word, tf]) => {
      const w = column.get(word);
      return w === undefined ? [] : [[w, tf * idf[w]!] as const];
    });
    entries.sort(([a], [b]) => a - b);
    const length = Math.sqrt(entries.reduce((sum, [, value]) => sum + value * value, 0));
    for (const [w, value] of entries) {
      indices.push(w);
      values.push(value / length);
    }
    indptr[d + 1] = indices.length;
  });
  return {
    rows: counts.length,
    columns: words.length,
    indptr,
    indices: Int32Array.from(indices),
    values: Float32Array.from(values),
  };
}

const WORD = /[\p{L}\p{N}]+/gu;

function countWords(text: string | null): Map<string, number> {
  const counts = new Map<string, number>();
  for (const [word] of (text ?? "").toLowerCase().matchAll(WORD)) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

/** Code unit order, the same in every locale. */
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
