// The texts of a dataset as a run reads them: tokenised once into the run's directory, then documents of Eq. 5.
import path from "node:path";
import {
  CorpusUsageError,
  concatenateSources,
  type Dataset,
  type DocumentSource,
  definePrompts,
  documentLayout,
  type FeatureBlock,
  itemTexts,
  type LanguageDocument,
  openTokenCache,
  type TokenCache,
  textDocuments,
  trainReviewTexts,
  userTexts,
} from "@cllm4rec/corpus";
import { UsageError } from "../errors.js";
import { itemTextBlocks } from "../evaluation/baselines.js";
import type { OpenBackbone } from "../models/workplace.js";
import type { StageDisplay } from "../progress.js";
import type { RunConfig, StageName } from "../settings/config.js";

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

/**
 * What a text map reads: the words that EASE reads as side information, with the same weights in the items' inner
 * products. `undefined` where the dataset has no texts of items.
 */
export async function itemFeatures(dataset: Dataset): Promise<FeatureBlock[] | undefined> {
  const blocks = await itemTextBlocks(dataset);
  if (blocks.length === 0) return undefined;
  return blocks.map(({ name, weight, features }) => ({ name, weight: Math.sqrt(weight), ...features }));
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
 * Refuses texts that are longer than a batch, and prompts that leave no room for a text. Writes nothing.
 * @throws UsageError in terms of `textLength`
 */
export function checkTexts(
  config: Pick<RunConfig, "texts" | "textLength" | "prompts" | "pretrain" | "finetune">,
  stages: readonly StageName[],
  dataset: Dataset,
  opened: OpenBackbone,
): void {
  const length = longest(config, opened);
  for (const stage of stages) {
    const { textTokens, textBatch } = config[stage];
    if (stage === "finetune" && config.finetune.contentSteps === 0) continue;
    const [name, tokens] =
      textBatch === undefined
        ? ["textTokens", textTokens]
        : typeof textBatch === "object" && "tokens" in textBatch
          ? ["textBatch.tokens", textBatch.tokens]
          : ["", Number.POSITIVE_INFINITY];
    if (length > tokens) {
      throw new UsageError(
        `textLength: a text may have ${length} tokens, more than a batch of ${tokens} tokens takes; lower ` +
          `textLength or raise ${stage}.${name}`,
      );
    }
  }
  const kinds = kindsOf(dataset, config.texts).filter(({ texts }) => texts > 0);
  documentsOf(
    kinds.map(({ kind }) => emptyCache(kind)),
    config,
    opened,
  );
}

/** A cache without texts, for what is known before any text is read. */
const emptyCache = (kind: TokenCache["kind"]): TokenCache => {
  const none = () => {
    throw new Error("there are no texts");
  };
  const counts = { documents: 0, tokens: 0, emptyTexts: 0, reused: false };
  return { file: "", key: "", kind, ...counts, user: none, item: none, tokenCount: none, read: none, close: () => {} };
};

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

/**
 * The documents of Eq. 5 over all texts; `undefined` where there are none.
 * @throws UsageError for a prompt that leaves no room for a text
 */
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
  try {
    return concatenateSources(caches.map((cache) => textDocuments({ tokenizer, cache, layout, maxLength, prompts })));
  } catch (error) {
    if (!(error instanceof CorpusUsageError)) throw error;
    // The `maxLength` of these documents is the run's `textLength`; the run's own `maxLength` is for histories.
    throw new UsageError(error.message.replaceAll("maxLength", "textLength"), { cause: error });
  }
}
