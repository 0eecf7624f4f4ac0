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

function kindsOf({ manifest: { statistics } }: Dataset, wanted: RunConfig["texts"]) {
  const kinds = [
    { kind: "reviews", of: trainReviewTexts, texts: statistics.trainReviews },
    { kind: "item-texts", of: itemTexts, texts: statistics.itemTexts },
    { kind: "user-texts", of: userTexts, texts: statistics.userTexts },
  ] as const;
  return kinds.filter(({ kind }) => wanted.includes(kind));
}

/** How many texts of the configured kinds the dataset has, by its manifest. */
export function textsOf(dataset: Dataset, { texts: wanted }: Pick<RunConfig, "texts">): number {
  return kindsOf(dataset, wanted).reduce((sum, { texts }) => sum + texts, 0);
}

/** The longest document, prompt included. */
function longest({ textLength }: Pick<RunConfig, "textLength">, { model }: OpenBackbone): number {
  return Math.min(textLength, model.vocabulary.maxPositions);
}

/** What is known of the documents before any text is read: enough to check batches by, and nothing to train on. */
export function textSizes(
  config: Pick<RunConfig, "textLength">,
  opened: OpenBackbone,
): DocumentSource<LanguageDocument> {
  const maxLength = longest(config, opened);
  return {
    length: 1,
    maxLength,
    identity: "sizes alone",
    lengthAt: () => maxLength,
    document() {
      throw new Error("there are sizes alone");
    },
  };
}

/**
 * Opens the token caches of the configured kinds of text; the caller closes them. Kinds without any text are left out.
 */
export async function openTokenCaches(
  { texts: wanted, out }: Pick<RunConfig, "texts" | "out">,
  dataset: Dataset,
  { tokenizer, tokenizerHash }: OpenBackbone,
  { signal, display }: { readonly signal: AbortSignal; readonly display: StageDisplay },
): Promise<readonly TokenCache[]> {
  const caches: TokenCache[] = [];
  try {
    for (const { kind, of, texts } of kindsOf(dataset, wanted)) {
      if (texts === 0) continue;
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
  config: Pick<RunConfig, "textLength" | "prompts">,
  opened: OpenBackbone,
): DocumentSource<LanguageDocument> | undefined {
  if (caches.length === 0) return undefined;
  const { model, tokenizer } = opened;
  const maxLength = longest(config, opened);
  const prompts = definePrompts(config.prompts);
  const layout = documentLayout(model.layout);
  return concatenateSources(caches.map((cache) => textDocuments({ tokenizer, cache, layout, maxLength, prompts })));
}
