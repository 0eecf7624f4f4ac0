// The tables that a run begins with: random ones, or ones moved towards what the texts say.
import type { BaseModel, SoftTables } from "@cllm4rec/backbone";
import type { SparseFeatures } from "@cllm4rec/corpus";
import { engineProduct } from "@cllm4rec/onnx-grad";
import { TrainingError } from "../error.js";
import { initialTables, type TokenTables } from "../tables/tables.js";
import { type TokenisedTexts, textMeans } from "../tables/text-means.js";
import { type PrincipalDirectionsOptions, principalDirections } from "../text-map/principal-directions.js";
import { TextMap } from "../text-map/text-map.js";
import { contentDeviationOf, priorDeviationOf } from "./scales.js";

// Shape legend: I users, J items, K width of the model's tables.

/** What decides where training begins. `undefined` means the default everywhere. */
export interface StartingTablesOptions {
  readonly model: BaseModel;
  /** Default 0. */
  readonly seed?: number | undefined;
  /**
   * Tokenised texts of users and items, such as token caches of `@cllm4rec/corpus`. Given: content tables are made too.
   */
  readonly texts?: readonly TokenisedTexts[] | undefined;
  /**
   * Features of the items' texts, [J, F], as `combineFeatures` of `@cllm4rec/corpus` returns them. Given: the items'
   * embeddings begin as a linear function of them, the text map, which is part of the result; `texts` then has no
   * effect on items with features.
   */
  readonly features?: SparseFeatures | undefined;
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
  const words = textShare > 0 ? widened(await model.backbone.wordEmbeddings(), model.vocabulary) : undefined;
  const means = words && textMeans({ texts, words, width, users, items });
  const tables = initialTables({
    ...{ users, items, width, seed, priorDeviation },
    ...(content && { contentDeviation }),
    ...(means && { texts: { means, share: textShare } }),
  });
  const { features } = options;
  if (!features) return tables;
  const { multiply, dispose } = await engineProduct(model.backbone.engine);
  try {
    return await mapped(tables, features, width, { seed, deviation: priorDeviation, multiply });
  } finally {
    await dispose();
  }
}

/** Rows of the LM's width as ones of the tables', filled up with zeros. */
function widened(rows: Float32Array, { hiddenSize, width }: BaseModel["vocabulary"]): Float32Array {
  if (hiddenSize === width) return rows;
  const wide = new Float32Array((rows.length / hiddenSize) * width);
  for (let from = 0, to = 0; from < rows.length; from += hiddenSize, to += width)
    wide.set(rows.subarray(from, from + hiddenSize), to);
  return wide;
}

/** Items that have features begin at f(x) on both sides; the others as they are. */
async function mapped(
  { collaborative, content }: TokenTables,
  features: SparseFeatures,
  width: number,
  options: PrincipalDirectionsOptions,
): Promise<TokenTables> {
  const weights = await principalDirections(features, width, options);
  const { indptr } = features;
  const hasFeatures = (row: number) => indptr[row + 1]! > indptr[row]!;
  const deltas = (soft: SoftTables): SoftTables => {
    const { rows, data } = soft.items;
    return { ...soft, items: { rows, data: data.map((z, at) => (hasFeatures(Math.floor(at / width)) ? 0 : z)) } };
  };
  return new TextMap(features, weights, width).apply({
    collaborative: deltas(collaborative),
    ...(content && { content: deltas(content) }),
    textMap: { rows: features.columns, data: weights },
  });
}
