// From model directories to what predicts: their backbone is opened and compared with the one of training.
import path from "node:path";
import { CheckpointError } from "@cllm4rec/backbone";
import type { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { type MemberSource, Mixer } from "../blend/mixer.js";
import { readBlend, type StoredBlend, scorerOf } from "../blend/stored-blend.js";
import { reasonOf, WrongPartError } from "../error.js";
import { IndexRecommender, type IndexRecommenderOptions } from "../ranking/index-recommender.js";
import { type BaseModelOptions, type OpenBaseModel, openBaseModel } from "./base-model.js";
import { type Ensemble, openEnsemble, type TrainedModel } from "./trained-model.js";

/** What {@link IndexRecommender} and {@link evaluate} take to predict as the models were trained. */
export interface Predictor extends IndexRecommenderOptions {
  readonly tokenizer: ExtendedTokenizer;
  readonly userToken: boolean;
}

/** Paths and engine. */
export interface PredictorOptions extends Omit<BaseModelOptions, "maxLength" | "layers"> {
  /** The backbone, where it is no longer at its recorded place: a directory or hub id. */
  readonly backbone?: string;
  /** False: the model answers alone, also where its directory holds a blend. Default true. */
  readonly blend?: boolean;
  /**
   * Told what the caller may want to know, e.g. that a blend cannot be used, or that an older model needs its dataset.
   */
  readonly onNotice?: (message: string) => void;
}

/**
 * Opens the models' backbone and assembles how they predict. A single model uses the blend of its directory, if there
 * is one; several use the mean of their own logits.
 * @throws WrongPartError where weights or tokenizer are missing, or not those of training; TrainingError or
 *   RecommendError for a blend that is damaged
 */
export async function openPredictor(
  models: Ensemble,
  { blend: wanted = true, onNotice, ...options }: PredictorOptions = {},
): Promise<{ readonly predictor: Predictor; dispose(): Promise<void> }> {
  const blend = wanted ? await storedBlendOf(models, onNotice) : undefined;
  const others = await openOthers(models[0], blend);
  const opened = await openBackboneOf(models, options);
  const predictor = predictorOf(models, opened);
  return {
    predictor: blend ? { ...predictor, blend: mixerOf(blend, others, opened) } : predictor,
    dispose: () => opened.dispose(),
  };
}

/** The blend of a single model; of several there is none. */
async function storedBlendOf(
  models: Ensemble,
  onNotice: ((message: string) => void) | undefined,
): Promise<StoredBlend | undefined> {
  if (models.length === 1) return readBlend(models[0].directory, onNotice);
  for (const { directory } of models) {
    if (await readBlend(directory))
      onNotice?.(`${directory}: its blend is not used, because an ensemble averages the logits of its models`);
  }
  return undefined;
}

/** The further models of a blend, by index of the member. */
async function openOthers(model: TrainedModel, blend: StoredBlend | undefined): Promise<Map<number, TrainedModel>> {
  const others = new Map<number, TrainedModel>();
  for (const [m, { source, weight }] of (blend?.members ?? []).entries()) {
    if (source.kind !== "model" || weight === 0) continue;
    const [, other] = await openEnsemble([model.directory, source.directory]);
    others.set(m, other!);
  }
  return others;
}

function mixerOf(blend: StoredBlend, others: ReadonlyMap<number, TrainedModel>, opened: OpenBaseModel): Mixer {
  const sources = new Map<number, MemberSource>();
  for (const [m, member] of blend.members.entries()) {
    const other = others.get(m);
    const scorer = scorerOf(member);
    if (member.source.kind === "own") sources.set(m, { kind: "own" });
    else if (other) sources.set(m, modelSource(other, opened));
    else if (scorer) sources.set(m, { kind: "scorer", scorer });
  }
  const members = blend.members.map(({ source: _, ...member }) => member);
  return new Mixer(blend.items, members, sources);
}

/** A model as a member of a blend, with a backbone that is open. */
export function modelSource(model: TrainedModel, opened: OpenBaseModel): MemberSource {
  const ranking = new IndexRecommender(predictorOf([model], opened));
  return { kind: "model", scores: (requests, signal) => ranking.scores(requests, signal) };
}

/**
 * Opens the backbone of models and compares it with the one of training.
 * @throws WrongPartError where weights or tokenizer are missing, or not those of training
 */
export async function openBackboneOf(
  models: Ensemble,
  { backbone: elsewhere, ...options }: Omit<PredictorOptions, "blend" | "onNotice"> = {},
): Promise<OpenBaseModel> {
  const [{ description, serving, directory }] = models;
  const { backbone, sizes } = description;
  const { maxLength } = serving.recommendation;
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
  return opened;
}

/** How models predict with an open backbone, without a blend. */
export function predictorOf(models: Ensemble, { model, tokenizer }: OpenBaseModel): Predictor {
  const [{ serving, prompts }] = models;
  const { maxLength, userToken, order, seed } = serving.recommendation;
  return {
    model,
    tables: models.map(({ tables }) => tables.collaborative),
    tokenizer,
    userToken,
    order,
    seed,
    prompts,
    ...(maxLength !== null && { maxLength }),
  };
}
