// A run before its first update: settings with every default, starting tables, batches, and the record of all that
// decides its bits.
import { createHash } from "node:crypto";
import type { EmbeddingTable } from "@cllm4rec/backbone";
import {
  BatchPlan,
  type Csr,
  checkFeatureBlocks,
  combineFeatures,
  documentLayout,
  type HeldOutDocument,
  type LanguageDocument,
  recommendationDocuments,
  type SparseFeatures,
} from "@cllm4rec/corpus";
import { RankingEvaluator } from "@cllm4rec/eval";
import { type JsonRecord, TrainingError } from "@cllm4rec/training";
import {
  batchSizesOf,
  checkGivenTables,
  copyTables,
  dropoutOptions,
  hashFeatures,
  learningRateRecord,
  maskedShareOf,
  parseSettings,
  type Rates,
  type ResolvedSettings,
  resolveSettings,
  type StagePlans,
  stageRecord,
  startRun,
  TextMap,
  type TokenTables,
} from "@cllm4rec/training/stage";
import type { z } from "zod";
import type { FinetuneOptions } from "./options.js";
import { featureDefaults, finetuneSchema, OWN_SCORE } from "./settings.js";

export const STAGE = "finetune";
/** Tasks that the seeds of dropout tell apart. */
const STREAMS = 2;

/** The batches of both tasks. */
type Plans = StagePlans<BatchPlan<HeldOutDocument>, BatchPlan<LanguageDocument>>;

/** What a run is made of. */
export interface Preparation {
  readonly settings: ResolvedSettings<z.output<typeof finetuneSchema>> & {
    readonly selectBy: readonly string[];
    readonly maskedShare: number | readonly [number, number];
  };
  readonly rates: Rates;
  /** Where training begins, copied: with a text map the items' tables hold δ, the rest being f(x). */
  readonly tables: TokenTables;
  readonly textMap: TextMap | undefined;
  readonly plans: Plans;
  /** The items of the rec-step's softmax; absent: all. */
  readonly candidates: Int32Array | undefined;
  readonly dropout: (stream: number) => ReturnType<typeof dropoutOptions>;
  readonly record: JsonRecord;
}

/**
 * The settings, and the batches that they make.
 * @throws TrainingError or CorpusUsageError for anything that cannot be trained
 */
export function check(options: FinetuneOptions) {
  const { model, texts, tables } = options;
  const parsed = parseSettings(finetuneSchema, options);
  const { metrics, selectBy = metrics } = parsed;
  const textMap = options.features !== undefined;
  const maskedShare = maskedShareOf(parsed.maskedShare, { textMap });
  const settings = { ...resolveSettings(parsed, model, { textMap }), selectBy, maskedShare };
  new RankingEvaluator({ items: model.vocabulary.items, metrics }); // refuses a name that is given twice
  const unknown = selectBy.find((name) => !metrics.includes(name));
  if (unknown !== undefined)
    throw new TrainingError(`selectBy: found ${unknown}, expected metrics of this run: ${metrics.join(", ")}`);
  checkGivenTables(tables, model, { texts: texts !== undefined });
  if (options.features) {
    checkFeatureBlocks(options.features);
    const rows = options.features[0]?.rows ?? 0;
    if (rows !== model.vocabulary.items)
      throw new TrainingError(`features: found ${rows} rows, expected ${model.vocabulary.items}, one for each item`);
  }
  return { settings, plans: batchPlans(options, settings) };
}

/** @throws as {@link check} does */
export async function prepare(options: FinetuneOptions): Promise<Preparation> {
  const { model, texts } = options;
  const { settings, plans } = check(options);
  const features = options.features && combineFeatures(options.features);
  const start = await startRun(options, settings, { texts: texts !== undefined, features });
  const { rates, tables: given } = start;
  const { width } = model.vocabulary;
  const defaults = features ? featureDefaults.with : featureDefaults.without;
  const { skipGain = defaults.skipGain, unseenItems = defaults.unseenItems } = settings;
  const gain = skipGain === "auto" ? balancedGain(given.collaborative.items) : skipGain;
  const begun = withSkipPath(copyTables(given), gain, width);
  const { tables, textMap } = features ? splitByText(begun, features, width) : { tables: begun, textMap: undefined };
  const candidates = unseenItems === "excluded" ? seenItems(options.train) : undefined;
  const dropout = (stream: number) => dropoutOptions(settings, stream, STREAMS);
  return {
    settings,
    rates,
    tables,
    textMap,
    plans,
    candidates,
    dropout,
    record: {
      ...stageRecord(model, settings, start, plans),
      ...ownRecord(options, settings, plans),
      ...(candidates && { unseenItems }),
      ...(gain > 0 && { skipGain: gain }),
      ...(features && {
        features: hashFeatures(features),
        textMapLearningRate: learningRateRecord(rates.textMapLearningRate),
      }),
    },
  };
}

/** The items that some history has, ascending; `undefined` where that is all of them. */
function seenItems({ indices, columns }: Csr): Int32Array | undefined {
  const seen = Int32Array.from(new Set(indices)).sort();
  return seen.length < columns ? seen : undefined;
}

/** The gain by which a history of one item scores that item {@link OWN_SCORE} on average. */
function balancedGain({ rows, data }: EmbeddingTable): number {
  const square = data.reduce((sum, x) => sum + x * x, 0) / rows;
  return square > 0 ? OWN_SCORE / square : 0;
}

/** Begins a skip path where the tables have none yet. */
function withSkipPath(tables: TokenTables, gain: number, width: number): TokenTables {
  const { collaborative } = tables;
  if (gain === 0) return tables;
  const skipGain = collaborative.skipGain ?? new Float32Array(width).fill(gain);
  return { ...tables, collaborative: { ...collaborative, skipGain } };
}

/** Tables of δ, and the map that adds f(x). A map that the tables do not have yet begins at 0. */
function splitByText(tables: TokenTables, features: SparseFeatures, width: number) {
  const { columns } = features;
  const weights = tables.textMap ?? { rows: columns, data: new Float32Array(columns * width) };
  const textMap = new TextMap(features, weights.data, width);
  return { tables: textMap.split({ ...tables, textMap: weights }), textMap };
}

function batchPlans(
  { model, tokenizer, train, texts, prompts }: FinetuneOptions,
  settings: Preparation["settings"],
): Plans {
  const { maxLength, targets, maskedShare, userToken, order, contentSteps } = settings;
  const documents = recommendationDocuments({
    tokenizer,
    interactions: train,
    layout: documentLayout(model.layout),
    maxLength,
    targets,
    maskedShare,
    userToken,
    order,
    ...(prompts && { prompts }),
  });
  const sizes = batchSizesOf(settings);
  return {
    users: new BatchPlan(documents, { size: sizes.users }),
    texts: texts && contentSteps !== 0 ? new BatchPlan(texts, { size: sizes.texts }) : undefined,
  };
}

/** Finetuning's part of the record. The number of epochs is none of it: a run may continue with more. */
function ownRecord({ validation }: FinetuneOptions, settings: Preparation["settings"], { texts }: Plans): JsonRecord {
  return {
    contentSteps: texts ? settings.contentSteps : null,
    averageDecay: settings.averageDecay,
    targets: settings.targets,
    maskedShare: typeof settings.maskedShare === "number" ? settings.maskedShare : [...settings.maskedShare],
    userToken: settings.userToken,
    lambdaC: settings.lambdaC,
    validation: validation ? hashMatrix(validation) : null,
    metrics: [...settings.metrics],
    selectBy: [...settings.selectBy],
    validateEvery: settings.validateEvery,
    patience: settings.patience ?? null,
  };
}

function hashMatrix({ indptr, indices }: Csr): string {
  const digest = createHash("sha256");
  for (const { buffer, byteOffset, byteLength } of [indptr, indices])
    digest.update(new Uint8Array(buffer, byteOffset, byteLength));
  return digest.digest("hex");
}
