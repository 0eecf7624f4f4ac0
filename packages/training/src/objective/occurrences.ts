// Which users and items occur in a batch of documents: whom the squared terms of Eq. 7, 8 and 10 are summed over.
import type { HeldOutInput, LanguageInput, Vocabulary } from "@cllm4rec/backbone";
import type { Occurrences } from "./regulariser.js";

/**
 * Counts, for every user and item, the documents that it occurs in: in the prompt, in the main text, or among what is
 * to be predicted (Eq. 10 sums over all of the user's items, held-out ones included). Within one document a token
 * counts once, as k runs over items.
 */
export function countOccurrences(
  documents: readonly (LanguageInput | HeldOutInput)[],
  { words, users, items }: Pick<Vocabulary, "words" | "users" | "items">,
): { readonly users: Occurrences; readonly items: Occurrences } {
  const counts = new Map<number, number>();
  for (const document of documents) {
    const present = new Set<number>();
    const add = (id: number) => {
      if (id >= words) present.add(id - words);
    };
    const addAll = (ids: ArrayLike<number>) => {
      for (let t = 0; t < ids.length; t++) add(ids[t]!);
    };
    if ("ids" in document) addAll(document.ids);
    else for (const ids of [document.encoderIds, document.decoderIds]) addAll(ids);
    if ("targets" in document) addAll(document.targets);
    else for (let t = 0; t < document.heldOut.length; t++) present.add(users + document.heldOut[t]!);
    for (const id of present) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  const between = (from: number, to: number): Occurrences => {
    const ids = [...counts.keys()].filter((id) => id >= from && id < to).sort((a, b) => a - b);
    return { rows: Int32Array.from(ids, (id) => id - from), counts: Int32Array.from(ids, (id) => counts.get(id)!) };
  };
  return { users: between(0, users), items: between(users, users + items) };
}
