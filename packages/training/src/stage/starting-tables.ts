// The tables that a run begins with: random ones, or ones moved towards what the texts say.
import type { BaseModel } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { initialTables, type TokenTables } from "../tables/tables.js";
import { type TokenisedTexts, textMeans } from "../tables/text-means.js";
import { contentDeviationOf, priorDeviationOf } from "./scales.js";

// Shape legend: I users, J items, K width of the backbone.

/** What decides where training begins. `undefined` means the default everywhere. */
export interface StartingTablesOptions {
  readonly model: BaseModel;
  /** Default 0. */
  readonly seed?: number | undefined;
  /**
   * Tokenised texts of users and items, such as token caches of `@cllm4rec/corpus`. Given: content tables are made too.
   */
  readonly texts?: readonly TokenisedTexts[] | undefined;
  /** Whether content tables are made; default: where there are `texts`. */
  readonly content?: boolean | undefined;
  /** Share of the initial embeddings' variance that comes from `texts`; default 1 where there are any, else 0. */
  readonly textShare?: number | undefined;
  /** Standard deviation of Eq. 1; default: a tenth of that of the backbone's vocabulary. */
  readonly priorDeviation?: number | undefined;
  /** Standard deviation of Eq. 2; default: priorDeviation·√(1 − textShare). */
  readonly contentDeviation?: number | undefined;
}

/**
 * Tables [I, K] and [J, K] by seed and scales, as the command line begins with: on the scale of the backbone's own
 * embeddings, and with
 * `texts` in the directions that these say ({@link textMeans}).
 * @throws TrainingError for a `textShare` above 0 without texts, and for deviations that are negative
 */
export async function startingTables(options: StartingTablesOptions): Promise<TokenTables> {
  const { model, seed = 0, texts = [], content = texts.length > 0, textShare = texts.length > 0 ? 1 : 0 } = options;
  if (textShare > 0 && texts.length === 0)
    throw new TrainingError(`textShare: found ${textShare} without texts; pass \`texts\`, or leave textShare out`);
  const { users, items, width } = model.vocabulary;
  const priorDeviation = await priorDeviationOf(model.backbone, options.priorDeviation);
  const contentDeviation = contentDeviationOf(priorDeviation, textShare, options.contentDeviation);
  const words = textShare > 0 ? await model.backbone.wordEmbeddings() : undefined;
  const means = words && textMeans({ texts, words, width, users, items });
  return initialTables({
    ...{ users, items, width, seed, priorDeviation },
    ...(content && { contentDeviation }),
    ...(means && { texts: { means, share: textShare } }),
  });
}
