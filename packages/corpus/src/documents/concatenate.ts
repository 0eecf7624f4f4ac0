// Several sources as one, e.g. reviews, item texts and user texts for the content LLM.
import { createHash } from "node:crypto";
import { CorpusUsageError } from "../errors.js";
import { checkIndex } from "./checks.js";
import type { DocumentSource } from "./types.js";

/**
 * The documents of all sources, those of the first source first. A document draws the same random numbers here as in
 * its own source.
 *
 * @throws {@link CorpusUsageError} for no source at all.
 */
export function concatenateSources<D>(sources: readonly DocumentSource<D>[]): DocumentSource<D> {
  if (sources.length === 0) throw new CorpusUsageError("no document source to concatenate; give at least one");
  const starts = [0];
  for (const source of sources) starts.push(starts.at(-1)! + source.length);
  const length = starts.at(-1)!;
  const locate = (index: number): readonly [DocumentSource<D>, number] => {
    checkIndex(index, length);
    const which = starts.findLastIndex((start) => start <= index);
    return [sources[which]!, index - starts[which]!];
  };
  return {
    length,
    maxLength: Math.max(...sources.map((source) => source.maxLength)),
    identity: createHash("sha256")
      .update(JSON.stringify(sources.map((source) => source.identity)))
      .digest("hex"),
    lengthAt(index, moment) {
      const [source, local] = locate(index);
      return source.lengthAt(local, moment);
    },
    document(index, moment) {
      const [source, local] = locate(index);
      return source.document(local, moment);
    },
  };
}
