// The known word that a mistyped one was probably meant to be.
import { closest, distance } from "fastest-levenshtein";

/**
 * The candidate with the least edit distance (Levenshtein), or `undefined` where none is near: more than a third of the
 * letters apart.
 */
export function nearest(word: string, candidates: readonly string[]): string | undefined {
  const known = new Map(candidates.map((candidate) => [candidate.toLowerCase(), candidate]));
  if (known.size === 0) return undefined;
  const typed = word.toLowerCase();
  const best = closest(typed, [...known.keys()]);
  return distance(typed, best) <= Math.max(2, Math.ceil(word.length / 3)) ? known.get(best) : undefined;
}
