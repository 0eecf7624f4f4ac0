// The main entry point: from model directories to a recommender.
import path from "node:path";
import { ITEM_FILE, ItemFile } from "./added/item-file.js";
import { ItemKeeper } from "./added/item-keeper.js";
import { openPredictor, type PredictorOptions } from "./directory/predictor.js";
import { openEnsemble } from "./directory/trained-model.js";
import { RecommendError } from "./error.js";
import { KNOWN, type Known, openContent } from "./histories.js";
import { IdTable } from "./ids.js";
import { Recommender } from "./recommender.js";

/** Settings of {@link openRecommender}; none is needed if nothing was moved since training. */
export interface OpenRecommenderOptions extends PredictorOptions {
  /** The dataset of training, where it was moved; read only for models whose directory holds no histories. */
  readonly data?: string;
  /**
   * What counts as a user's history: it is in the prompt and not recommended. Default `all`: train, validation and
   * test.
   */
  readonly known?: Known;
  /** Most requests in one forward pass; default 128. */
  readonly maxBatch?: number;
  /**
   * The file that keeps items added and removed while the model is in use; default: `added-items.json` in the (first)
   * model directory. A separate file survives when the model directory is replaced.
   */
  readonly itemsFile?: string;
}

/**
 * Opens a trained model, or several as an ensemble, whose logits are averaged. A single directory with a blend uses the
 * blend, unless `blend` is false.
 *
 * The directories are read and checked first, then the backbone is opened. If a later step fails, everything opened so
 * far is closed.
 *
 * @param directories a model directory that `cllm4rec` or `finetune` wrote, or several that differ in their training
 *   alone
 * @throws TrainingError for a file that is missing, damaged, or was changed since it was written; RecommendError for
 *   models that do not record how they predict or form no ensemble; WrongPartError where the backbone is missing or
 *   another one; the signal's reason when aborted
 *
 * @example
 * await using recommender = await openRecommender("model");
 * await recommender.recommend({ user: "A1YJEY40YUW4SE", k: 10 });
 */
export async function openRecommender(
  directories: string | readonly string[],
  { data, known = "all", maxBatch = 128, itemsFile, onNotice, ...options }: OpenRecommenderOptions = {},
): Promise<Recommender> {
  if (!KNOWN.includes(known))
    throw new RecommendError(`known: found ${JSON.stringify(known)}, expected one of ${KNOWN.join(", ")}`);
  if (!(Number.isSafeInteger(maxBatch) && maxBatch > 0))
    throw new RecommendError(`maxBatch: found ${maxBatch}, expected a positive integer`);
  options.signal?.throwIfAborted();
  const models = await openEnsemble([directories].flat());
  const content = await openContent(models, {
    known,
    ...(data !== undefined && { data }),
    ...(onNotice && { onNotice }),
  });
  const items = new IdTable("item", models[0].ids.items);
  const file = new ItemFile(itemsFile ?? path.join(models[0].directory, ITEM_FILE));
  const keeper = new ItemKeeper(models, items, file);
  await keeper.open((message) => onNotice?.(message));
  const { predictor, dispose } = await openPredictor(models, { ...options, ...(onNotice && { onNotice }) });
  try {
    return new Recommender({ models, predictor, content, items, keeper, maxBatch, dispose });
  } catch (error) {
    await dispose();
    throw error;
  }
}
