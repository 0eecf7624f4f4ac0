// A model directory as evaluate and recommend need it: what it says of its dataset and prompts, and those opened and checked.
import path from "node:path";
import { Dataset, definePrompts } from "@cllm4rec/corpus";
import type { RecommenderOptions } from "@cllm4rec/finetune";
import { type RawIds, readModel, type SavedModel, TrainingError } from "@cllm4rec/training";
import { z } from "zod";
import type { StageDisplay } from "../progress.js";
import { promptsSchema } from "./config.js";
import type { EngineSettings } from "./engine.js";
import { datasetHash, openBackbone } from "./workplace.js";

const servingSchema = z.object({
  dataset: z.object({ path: z.string(), hash: z.string() }),
  /** SHA-256 of the tokenizer's files. */
  tokenizer: z.string(),
  /** Blocks of the backbone in use; null: all. */
  layers: z.int().positive().nullable(),
  /** The prompt of prediction, which has to be the one of training. */
  recommendation: z.object({
    userToken: z.boolean(),
    order: z.enum(["shuffled", "fixed"]),
    maxLength: z.int().positive().nullable(),
    seed: z.int().nonnegative(),
    prompts: promptsSchema,
  }),
});

/** What `train` writes into a model's description, beside what the stages write. */
export type Serving = z.infer<typeof servingSchema>;

/** A trained model of this program. */
export interface TrainedModel extends SavedModel {
  readonly directory: string;
  readonly ids: RawIds;
  readonly serving: Serving;
}

/** @throws TrainingError naming the directory and what it lacks */
export async function openTrainedModel(directory: string): Promise<TrainedModel> {
  const model = await readModel(directory);
  const serving = servingSchema.safeParse(model.description.settings.serving);
  if (!serving.success || !model.ids) {
    throw new TrainingError(
      `${directory}: the model does not say which dataset and prompts it belongs to, so it was not written by \`cllm4rec train\`; train it with that`,
    );
  }
  return { ...model, ids: model.ids, directory, serving: serving.data };
}

/** Models that answer together: at least one, all of the same data, backbone and prompts. */
export type Ensemble = readonly [TrainedModel, ...TrainedModel[]];

/**
 * Opens models that differ in their training alone, such as in the seed.
 * @throws TrainingError as {@link openTrainedModel} does, or naming the first that does not go with the first of them
 */
export async function openEnsemble(directories: readonly string[]): Promise<Ensemble> {
  const [first, ...others] = await Promise.all(directories.map(openTrainedModel));
  if (!first) throw new TrainingError("models: found none, expected at least one directory");
  for (const other of others) {
    const differs = INGREDIENTS.find(({ of }) => JSON.stringify(of(first)) !== JSON.stringify(of(other)));
    if (differs) {
      throw new TrainingError(
        `${other.directory}: has another ${differs.what} than ${first.directory}; models answer together where they differ in their training alone`,
      );
    }
  }
  return [first, ...others];
}

const INGREDIENTS: readonly { readonly what: string; of(model: TrainedModel): unknown }[] = [
  { what: "dataset", of: ({ serving }) => serving.dataset.hash },
  {
    what: "backbone",
    of: ({ description, serving }) => [
      description.backbone.contentHash,
      description.backbone.configHash,
      serving.layers,
    ],
  },
  { what: "tokenizer", of: ({ serving }) => serving.tokenizer },
  { what: "prompt", of: ({ serving }) => ({ ...serving.recommendation, seed: 0 }) },
];

/**
 * Opens the dataset that the model was trained on.
 * @param elsewhere where it lies now, if it was moved
 * @throws CorpusError where it is no dataset; TrainingError where it is another one
 */
export async function openItsDataset(model: TrainedModel, elsewhere: string | undefined): Promise<Dataset> {
  const { path: recorded, hash } = model.serving.dataset;
  const directory = elsewhere ?? recorded;
  const dataset = await Dataset.open(directory).catch((error: unknown) => {
    if (elsewhere !== undefined || !(error instanceof Error)) throw error;
    throw new TrainingError(`${error.message} The model was trained on it; if it was moved, give its place as --data`, {
      cause: error,
    });
  });
  const found = datasetHash(dataset.manifest);
  if (found !== hash) {
    dataset.close();
    throw new TrainingError(
      `${directory}: found a dataset with content hash ${found.slice(0, 12)}…, expected ${hash.slice(0, 12)}…, on which ${model.directory} was trained; give that one as --data`,
    );
  }
  return dataset;
}

/** What the functions of `@cllm4rec/finetune` take to predict as the model was trained. */
export type Predictor = Required<Pick<RecommenderOptions, "model" | "tables" | "tokenizer" | "userToken">> &
  RecommenderOptions;

/**
 * Opens the models' backbone and puts together how they predict.
 * @throws TrainingError where weights or tokenizer are not those of training
 */
export async function openPredictor(
  models: Ensemble,
  elsewhere: string | undefined,
  options: {
    readonly engine?: EngineSettings | undefined;
    readonly signal: AbortSignal;
    readonly display?: StageDisplay;
  },
): Promise<{ readonly predictor: Predictor; dispose(): Promise<void> }> {
  const [model] = models;
  const { backbone, sizes } = model.description;
  const { recommendation, tokenizer: tokenizerHash } = model.serving;
  const maxLength = recommendation.maxLength ?? undefined;
  const layers = model.serving.layers ?? undefined;
  const opened = await openBackbone(elsewhere ?? backbone.id, sizes, { ...options, maxLength, layers }).catch(
    (error: unknown) => {
      if (elsewhere !== undefined || options.signal.aborted || !(error instanceof Error)) throw error;
      throw new TrainingError(
        `${error.message}. ${model.directory} was trained with it; if it was moved, give its place as --backbone`,
        { cause: error },
      );
    },
  );
  const differs = (what: string, found: string, expected: string) =>
    new TrainingError(
      `${path.normalize(elsewhere ?? backbone.id)}: found ${what} with hash ${found.slice(0, 12)}…, expected ${expected.slice(0, 12)}…, with which ${model.directory} was trained; give that backbone as --backbone`,
    );
  const found = opened.model.backbone;
  const different = found.difference(backbone);
  let problem: Error | undefined;
  if (different === "weights") problem = differs("weights", found.contentHash, backbone.contentHash);
  else if (different === "config") problem = differs("a config.json", found.configHash, backbone.configHash ?? "");
  else if (opened.tokenizerHash !== tokenizerHash)
    problem = differs("a tokenizer", opened.tokenizerHash, tokenizerHash);
  if (problem) {
    await opened.dispose();
    throw problem;
  }
  return {
    predictor: {
      model: opened.model,
      tables: models.map(({ tables }) => tables.collaborative),
      tokenizer: opened.tokenizer,
      userToken: recommendation.userToken,
      order: recommendation.order,
      seed: recommendation.seed,
      prompts: definePrompts(recommendation.prompts),
      ...(maxLength !== undefined && { maxLength }),
    },
    dispose: () => opened.dispose(),
  };
}
