// From model directories to what predicts: their backbone is opened and compared with the one of training.
import path from "node:path";
import { CheckpointError } from "@cllm4rec/backbone";
import type { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { reasonOf, WrongPartError } from "../error.js";
import type { IndexRecommenderOptions } from "../ranking/index-recommender.js";
import { type BaseModelOptions, openBaseModel } from "./base-model.js";
import type { Ensemble } from "./trained-model.js";

/** What {@link IndexRecommender} and {@link evaluate} take to predict as the models were trained. */
export interface Predictor extends IndexRecommenderOptions {
  readonly tokenizer: ExtendedTokenizer;
  readonly userToken: boolean;
}

/** Where things lie and what computes. */
export interface PredictorOptions extends Omit<BaseModelOptions, "maxLength" | "layers"> {
  /** The backbone, where it is no longer at its recorded place: a directory or hub id. */
  readonly backbone?: string;
}

/**
 * Opens the models' backbone and puts together how they predict.
 * @throws WrongPartError where weights or tokenizer are missing, or not those of training
 */
export async function openPredictor(
  models: Ensemble,
  { backbone: elsewhere, ...options }: PredictorOptions = {},
): Promise<{ readonly predictor: Predictor; dispose(): Promise<void> }> {
  const [{ description, serving, prompts, directory }] = models;
  const { backbone, sizes } = description;
  const { maxLength, userToken, order, seed } = serving.recommendation;
  const name = elsewhere ?? backbone.id;
  const opened = await openBaseModel(name, sizes, {
    ...options,
    ...(maxLength !== null && { maxLength }),
    ...(serving.layers !== null && { layers: serving.layers }),
  }).catch((error: unknown) => {
    if (elsewhere !== undefined || options.signal?.aborted || !(error instanceof CheckpointError)) throw error;
    throw new WrongPartError("backbone", `${reasonOf(error)}. ${directory} was trained with it.`, {
      missing: true,
      cause: error,
    });
  });
  const { contentHash, configHash } = opened.model.backbone.fingerprint;
  const pairs = {
    weights: ["weights", contentHash, backbone.contentHash],
    config: ["a config.json", configHash ?? "", backbone.configHash ?? ""],
    tokenizer: ["a tokenizer", opened.tokenizerHash, serving.tokenizer],
  } as const;
  const differs =
    opened.model.backbone.difference(backbone) ??
    (opened.tokenizerHash === serving.tokenizer ? undefined : "tokenizer");
  if (differs) {
    await opened.dispose();
    const [what, one, other] = pairs[differs];
    throw new WrongPartError(
      "backbone",
      `${path.normalize(name)}: found ${what} with hash ${one.slice(0, 12)}…, expected ${other.slice(0, 12)}…, ` +
        `with which ${directory} was trained`,
      { missing: false },
    );
  }
  return {
    predictor: {
      model: opened.model,
      tables: models.map(({ tables }) => tables.collaborative),
      tokenizer: opened.tokenizer,
      userToken,
      order,
      seed,
      prompts,
      ...(maxLength !== null && { maxLength }),
    },
    dispose: () => opened.dispose(),
  };
}
