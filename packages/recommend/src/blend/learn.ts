// Makes a blend: fits linear scorers, learns on validation how much each member counts, and adds the result to a model
// directory.
import fs from "node:fs/promises";
import path from "node:path";
import type { Dataset } from "@cllm4rec/corpus";
import { type Csr, csrRow } from "@cllm4rec/corpus/prompts";
import {
  BlendTrials,
  easeMemory,
  evaluateScorer,
  type ItemLists,
  itemKnn,
  itemLists,
  type LinearScorer,
  learnWeights,
  selectionOf,
  sparseScorer,
  standardise,
  strongestWeights,
} from "@cllm4rec/eval";
import { engineProduct } from "@cllm4rec/onnx-grad";
import { writeModel } from "@cllm4rec/training/model";
import type { OpenBaseModel } from "../directory/base-model.js";
import { datasetHash } from "../directory/content.js";
import { modelSource, openBackboneOf, type PredictorOptions } from "../directory/predictor.js";
import { openEnsemble, type TrainedModel } from "../directory/trained-model.js";
import { RecommendError, WrongPartError } from "../error.js";
import { openProtocol } from "../ranking/protocol.js";
import { type EaseKind, fitEase } from "./fit-ease.js";
import { type BlendMember, type MemberSource, scoresOf } from "./mixer.js";
import { constantScorer, removeBlend, type StoredMember, writeBlend } from "./stored-blend.js";

// Shape legend: J items, B users of a batch.

/** Scorers that {@link blend} can fit. */
export const SCORERS = ["ease", "ease with text", "item knn", "most popular"] as const;
export type ScorerName = (typeof SCORERS)[number];

/** What a blend is doing, for display. */
export interface BlendProgress {
  readonly doing: string;
  /** Of this step, from 0 to 1. */
  readonly share: number;
}

export interface BlendOptions extends Omit<PredictorOptions, "blend" | "onProgress"> {
  /**
   * A new model directory for the first model with the blend; default: the blend is added to the first model's
   * directory.
   */
  readonly out?: string;
  /**
   * What is tried beside the models: scorers that are fitted here, or fitted ones. Default: EASE with the items' texts,
   * or EASE where there are none; item KNN; most popular.
   */
  readonly scorers?: readonly (ScorerName | LinearScorer)[];
  /**
   * Fits of EASE at most, by which its settings are chosen on validation; default by the number of items, about two
   * minutes.
   */
  readonly trials?: number;
  /** EASE's L2 weight; default: chosen on validation. */
  readonly lambda?: number;
  /**
   * The models' backbone, where it is open already, as after training; it stays open. Default: it is opened and closed.
   */
  readonly opened?: OpenBaseModel;
  /** Users in one forward pass; default 128. */
  readonly batch?: number;
  readonly onProgress?: (progress: BlendProgress) => void;
}

/** What {@link blend} made. */
export interface LearnedBlend {
  /** The directory that answers with the blend. */
  readonly directory: string;
  /** All that were tried. */
  readonly members: readonly BlendMember[];
  /** recall@20, recall@40 and ndcg@100 of the blend on the validation items. */
  readonly metrics: Readonly<Record<string, number>>;
  /** False: the first model alone is best, and its directory answers without a blend. */
  readonly stored: boolean;
}

/** EASE with more memory than this is left out: more than 18,257 items. */
const MEMORY_LIMIT = 4e9;
/** Weights kept of each item: the first of these with which a scorer does as well on validation as with all. */
const KEPT_WEIGHTS = [200, 400, 800, 1600];
/** As well: recall@20 + recall@40 + ndcg@100 falls by at most so much. */
const TOLERANCE = 5e-4;

interface Candidate {
  readonly name: string;
  readonly source: Exclude<StoredMember["source"], { kind: "model" }> | { kind: "model"; model: TrainedModel };
  readonly scores: MemberSource;
}

/**
 * Blends a trained model with linear scorers, and with further models of the same dataset and backbone. Each member's
 * scores are standardised for each user and added with weights ≥ 0 that are learned on the validation items
 * (`learnWeights` of `@cllm4rec/eval`); members that do not help are dropped. The blend is stored in the model
 * directory in one step, and from then on `openRecommender` and `evaluate` answer with it; a blend that was there
 * before is replaced. Nothing is written before the weights are learned.
 *
 * Scorers are fitted to the training items, and stored with the strongest weights of each item; the weights are learned
 * with that form. Deterministic.
 *
 * @param directories the model directory, or several; the blend is added to the first
 * @param dataset the dataset of training, with validation items; stays open
 * @throws RecommendError where there is nothing to blend, no validation item, or models that do not go together;
 * WrongPartError for another
 *   dataset or backbone; TrainingError for damaged models; the signal's reason when aborted
 *
 * @example
 * const { members } = await blend("model", dataset, { onProgress: ({ doing, share }) => console.log(doing, share) });
 */
export async function blend(
  directories: string | readonly string[],
  dataset: Dataset,
  options: BlendOptions = {},
): Promise<LearnedBlend> {
  const { out, signal, onProgress, scorers, batch = 128, opened: given, ...others } = options;
  const { trials: _, lambda: __, onNotice: ___, ...places } = others;
  signal?.throwIfAborted();
  const models = await openEnsemble([directories].flat());
  const [first] = models;
  checkDataset(first, dataset);
  const target = out ?? first.directory;
  if (out !== undefined) await checkNewFolder(out);
  const protocol = await openProtocol(dataset, "validation");
  if (models.length === 1 && scorers?.length === 0)
    throw new RecommendError("blend: found one model and no scorers, expected at least two members");
  if (given) checkBackbone(first, given);
  const opened = given ?? (await openBackboneOf(models, { ...places, ...(signal && { signal }) }));
  try {
    const own = models.map(
      (model, m): Candidate => ({
        name: models.length === 1 ? "CLLM4Rec" : `CLLM4Rec ${model.directory}`,
        source: m === 0 ? { kind: "own" } : { kind: "model", model },
        scores: modelSource(model, opened),
      }),
    );
    const linear = await fitScorers(dataset, protocol, opened, options);
    const candidates = [...own, ...linear];
    const trials = await collectScores(candidates, protocol, { batch, signal, onProgress });
    const learned = await learnWeights(trials, {
      ...(signal && { signal }),
      onTrial: (done) =>
        onProgress?.({ doing: `learning the weights of ${candidates.length} members`, share: done / (done + 40) }),
    });
    const members = candidates.map(({ name }, m) => ({ name, ...learned.members[m]! }));
    const { metrics } = learned;
    if (out !== undefined) await writeModel(out, savedPart(first));
    const stored = members[0]!.weight < 1;
    if (stored) {
      const described = members.map((member, m) => ({ ...member, source: candidates[m]!.source }));
      await writeBlend(target, { items: dataset.items, metrics, members: described });
    } else await removeBlend(target);
    return { directory: target, members, metrics, stored };
  } finally {
    if (!given) await opened.dispose();
  }
}

function checkBackbone({ directory, description, serving }: TrainedModel, opened: OpenBaseModel): void {
  const { model, tokenizerHash, reference } = opened;
  const differs =
    model.backbone.difference(description.backbone) ?? (tokenizerHash === serving.tokenizer ? undefined : "tokenizer");
  if (differs)
    throw new RecommendError(
      `${reference}: has another ${differs} than the backbone with which ${directory} was trained`,
    );
}

function checkDataset({ directory, serving, ids }: TrainedModel, dataset: Dataset): void {
  const found = datasetHash(dataset.manifest);
  const expected = serving.dataset?.hash;
  const differs = expected === undefined ? dataset.items !== ids.items.length : found !== expected;
  if (!differs) return;
  throw new WrongPartError(
    "data",
    `${dataset.directory}: found another dataset than the one on which ${directory} was trained`,
    { missing: false },
  );
}

async function checkNewFolder(directory: string): Promise<void> {
  const found = await fs.readdir(directory).catch((): string[] => []);
  if (found.length > 0)
    throw new RecommendError(
      `${path.normalize(directory)}: found files there, expected a new or an empty folder as out`,
    );
}

/** The model without what opening added. */
function savedPart({ directory: _, serving: __, prompts: ___, ...saved }: TrainedModel) {
  return saved;
}

/** The linear members in the form in which they are stored. */
async function fitScorers(
  dataset: Dataset,
  { train, heldOut }: { readonly train: Csr; readonly heldOut: Csr },
  opened: OpenBaseModel,
  { scorers, trials, lambda, signal, onProgress, onNotice }: BlendOptions,
): Promise<Candidate[]> {
  const items = train.columns;
  const wanted = scorers ?? ["ease with text", "item knn", "most popular"];
  const candidates: Candidate[] = [];
  const kinds = new Set<EaseKind>();
  for (const one of wanted) if (one === "ease" || one === "ease with text") kinds.add(one);
  if (kinds.size > 0 && easeMemory(items) > MEMORY_LIMIT) {
    onNotice?.(
      `EASE is left out of the blend: for ${items} items it needs ${(easeMemory(items) / 1e9).toFixed(0)} GB of ` +
        "memory, " +
        `and at most ${MEMORY_LIMIT / 1e9} GB are used (18,257 items)`,
    );
    kinds.clear();
  }
  const fitted: LinearScorer[] = [];
  if (kinds.size > 0) {
    const { multiply, dispose } = await engineProduct(opened.engine, signal ? { signal } : {});
    const fit = (of: readonly EaseKind[]) =>
      fitEase(dataset, {
        kinds: of,
        lambda,
        trials,
        multiply,
        ...(signal && { signal }),
        onProgress: (kind, share) => onProgress?.({ doing: `fitting ${kind.replace("ease", "EASE")}`, share }),
      });
    try {
      let found = await fit([...kinds]);
      // Without texts there is no EASE with text; where it is a default, EASE takes its place.
      if (found.length === 0 && scorers === undefined) found = await fit(["ease"]);
      if (found.length < kinds.size && scorers !== undefined)
        onNotice?.(`${dataset.directory}: the dataset has no texts, so EASE with text is left out of the blend`);
      fitted.push(...found.map(({ scorer }) => scorer));
    } finally {
      await dispose();
    }
  }
  for (const one of wanted) {
    if (one === "item knn") fitted.push(itemKnn(train, { items, shrinkage: 10 }));
    else if (typeof one !== "string") fitted.push(one);
  }
  for (const scorer of fitted) {
    if (scorer.items !== items)
      throw new RecommendError(`${scorer.name}: found a scorer of ${scorer.items} items, expected ${items}`);
    onProgress?.({ doing: `shortening ${scorer.name}`, share: 0 });
    const weights = await shortened(scorer, train, heldOut, signal);
    const { name } = scorer;
    candidates.push({
      name,
      source: { kind: "linear", weights },
      scores: { kind: "scorer", scorer: sparseScorer(name, weights) },
    });
  }
  if (wanted.includes("most popular")) {
    const [name, scores] = ["most popular", popularity(train)];
    candidates.push({
      name,
      source: { kind: "constant", scores },
      scores: { kind: "scorer", scorer: constantScorer(name, scores) },
    });
  }
  return candidates;
}

/** The fewest of the weights with which the scorer does as well on validation. */
async function shortened(scorer: LinearScorer, history: ItemLists, heldOut: ItemLists, signal?: AbortSignal) {
  const measure = async (one: LinearScorer) => {
    const { metrics } = await evaluateScorer(one, { history, heldOut, ...(signal && { signal }) });
    return selectionOf(metrics);
  };
  const sizes = KEPT_WEIGHTS.filter((size) => size < scorer.items);
  if (sizes.length === 0) return strongestWeights(scorer, scorer.items);
  const all = await measure(scorer);
  let weights = strongestWeights(scorer, sizes[0]!);
  for (const size of sizes) {
    weights = strongestWeights(scorer, size);
    if ((await measure(sparseScorer(scorer.name, weights))) >= all - TOLERANCE) break;
  }
  return weights;
}

/** log(1 + users) of each item [J]: a scale on which the few most popular do not decide everything. */
function popularity({ columns, indices }: Csr): Float32Array {
  const counts = new Float32Array(columns);
  for (const item of indices) counts[item]!++;
  return counts.map((count) => Math.log1p(count));
}

/** Every member's standardised scores of the users who have validation items. */
async function collectScores(
  candidates: readonly Candidate[],
  { history, heldOut }: { readonly history: Csr; readonly heldOut: Csr },
  {
    batch,
    signal,
    onProgress,
  }: {
    readonly batch: number;
    readonly signal: AbortSignal | undefined;
    readonly onProgress: ((progress: BlendProgress) => void) | undefined;
  },
): Promise<BlendTrials> {
  const items = history.columns;
  const trials = new BlendTrials({ items, members: candidates.length });
  // Whom nobody knows anything of, no member can rank for.
  const users = Array.from({ length: heldOut.rows }, (_, user) => user).filter(
    (user) => csrRow(heldOut, user).length > 0 && csrRow(history, user).length > 0,
  );
  for (let from = 0; from < users.length; from += batch) {
    signal?.throwIfAborted();
    const group = users.slice(from, from + batch);
    const requests = group.map((user) => ({ user, history: csrRow(history, user) }));
    const histories = itemLists(requests.map((request) => request.history));
    const scores: Float32Array[] = [];
    for (const { scores: source } of candidates) {
      const own = () => Promise.reject(new RecommendError("blend: the model's scores come from its own source"));
      scores.push(standardise(await scoresOf(source, { requests, histories, own, signal }), items));
    }
    trials.add({ scores, masked: histories, heldOut: itemLists(group.map((user) => csrRow(heldOut, user))) });
    onProgress?.({
      doing: `scoring ${users.length} users by ${candidates.length} members`,
      share: (from + group.length) / users.length,
    });
  }
  return trials;
}
