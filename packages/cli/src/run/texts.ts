// The texts of a dataset as a run reads them: tokenised once into the run's directory, then documents of Eq. 5.
import path from "node:path";
import {
  concatenateSources,
  type Dataset,
  type DocumentSource,
  definePrompts,
  documentLayout,
  itemTexts,
  type LanguageDocument,
  openTokenCache,
  type TokenCache,
  textDocuments,
  trainReviewTexts,
  userTexts,
} from "@cllm4rec/corpus";
import type { StageDisplay } from "../progress.js";
import type { RunConfig } from "./config.js";
import type { OpenBackbone } from "./workplace.js";

/** Opens the token caches of the configured kinds of text; the caller closes them. Kinds without any text are left out. */
export async function openTokenCaches(
  { texts: wanted, out }: Pick<RunConfig, "texts" | "out">,
  dataset: Dataset,
  { tokenizer, tokenizerHash }: OpenBackbone,
  { signal, display }: { readonly signal: AbortSignal; readonly display: StageDisplay },
): Promise<readonly TokenCache[]> {
  const { statistics } = dataset.manifest;
  const kinds = [
    { kind: "reviews", of: trainReviewTexts, texts: statistics.trainReviews },
    { kind: "item-texts", of: itemTexts, texts: statistics.itemTexts },
    { kind: "user-texts", of: userTexts, texts: statistics.userTexts },
  ] as const;
  const caches: TokenCache[] = [];
  try {
    for (const { kind, of, texts } of kinds) {
      if (texts === 0 || !wanted.includes(kind)) continue;
      let begun = false;
      const cache = await openTokenCache({
        directory: path.join(out, "token-cache"),
        tokenizer,
        tokenizerIdentity: tokenizerHash,
        corpus: of(dataset),
        signal,
        onProgress: (progress) => {
          if (!begun) display.start(`tokenising ${kind}`);
          begun = true;
          display.update(progress.texts / texts);
        },
      });
      display.stop();
      if (cache.documents > 0) caches.push(cache);
      else await cache.close();
    }
  } catch (error) {
    for (const cache of caches) await cache.close();
    throw error;
  }
  return caches;
}

/** The documents of Eq. 5 over all texts; `undefined` where there are none. */
export function documentsOf(
  caches: readonly TokenCache[],
  { textLength, prompts: templates }: Pick<RunConfig, "textLength" | "prompts">,
  { model, tokenizer }: OpenBackbone,
): DocumentSource<LanguageDocument> | undefined {
  if (caches.length === 0) return undefined;
  const maxLength = Math.min(textLength, model.vocabulary.maxPositions);
  const prompts = definePrompts(templates);
  const layout = documentLayout(model.layout);
  return concatenateSources(caches.map((cache) => textDocuments({ tokenizer, cache, layout, maxLength, prompts })));
}
