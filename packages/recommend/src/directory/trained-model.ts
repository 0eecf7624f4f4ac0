// Model directories, opened and checked: one, or several as an ensemble.
import type { Prompts } from "@cllm4rec/corpus/prompts";
import { type RawIds, readModel, type SavedModel } from "@cllm4rec/training/model";
import { RecommendError } from "../error.js";
import { readServing, type Serving } from "./serving.js";

/** A model directory's content, with what prediction needs of it. */
export interface TrainedModel extends SavedModel {
  readonly directory: string;
  readonly ids: RawIds;
  readonly serving: Serving;
  /** All six, those of training in place of the paper's. */
  readonly prompts: Prompts;
}

/**
 * Reads a model directory and checks everything in it.
 * @throws TrainingError for files that are missing or damaged; RecommendError for a model that does not say how it
 *   predicts
 */
export async function openTrainedModel(directory: string): Promise<TrainedModel> {
  const model = await readModel(directory);
  const { serving, prompts } = readServing(directory, model.description);
  if (!model.ids)
    throw new RecommendError(
      `${directory}: there are no users.json and items.json; train with the raw ids as output.ids`,
    );
  return { ...model, ids: model.ids, directory, serving, prompts };
}

/** Models whose logits are averaged: at least one, all of the same data, backbone and prompts. */
export type Ensemble = readonly [TrainedModel, ...TrainedModel[]];

/**
 * Opens models that differ in their training alone, such as in the seed.
 * @throws as {@link openTrainedModel} does; RecommendError naming the first that differs from the first of them in more
 *   than that
 */
export async function openEnsemble(directories: readonly string[]): Promise<Ensemble> {
  const [first, ...others] = await Promise.all(directories.map(openTrainedModel));
  if (!first) throw new RecommendError("models: found none, expected at least one directory");
  for (const other of others) {
    const differs = INGREDIENTS.find(({ of }) => JSON.stringify(of(first)) !== JSON.stringify(of(other)));
    if (differs) {
      throw new RecommendError(
        `${other.directory}: has another ${differs.what} than ${first.directory}; the models of an ensemble ` +
          "may differ only in their training",
      );
    }
  }
  return [first, ...others];
}

const INGREDIENTS: readonly { readonly what: string; of(model: TrainedModel): unknown }[] = [
  { what: "dataset", of: ({ serving, ids }) => serving.dataset?.hash ?? ids },
  {
    what: "backbone",
    of: ({ description: { backbone }, serving }) => [backbone.contentHash, backbone.configHash, serving.layers],
  },
  { what: "tokenizer", of: ({ serving }) => serving.tokenizer },
  { what: "prompt", of: ({ serving }) => ({ ...serving.recommendation, seed: 0 }) },
];
