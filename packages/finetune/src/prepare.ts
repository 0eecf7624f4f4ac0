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
  backboneRecord,
  batchSizeOf,
  checkTables,
  copyTables,
  dropoutOptions,
  hashFeatures,
  hashTables,
  lambdaLOf,
  learningRateRecord,
  maskedShareOf,
  parseSettings,
  priorDeviationOf,
  type Rates,
  ratesOf,
  startingTables,
  TextMap,
  type TokenTables,
} from "@cllm4rec/training/stage";
import type { z } from "zod";
import type { FinetuneOptions } from "./options.js";
import { finetuneSchema } from "./settings.js";

export const STAGE = "finetune";
/** Tasks that the seeds of dropout tell apart. */
const STREAMS = 2;

/** The batches of both tasks. */
interface Plans {
  readonly rec: BatchPlan<HeldOutDocument>;
  readonly content: BatchPlan<LanguageDocument> | undefined;
}

/** What a run is made of. */
export interface Preparation {
  readonly settings: z.output<typeof finetuneSchema> & {
    readonly selectBy: readonly string[];
    readonly maxLength: number;
    readonly lambdaL: number;
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
  const { metrics, selectBy = metrics, maxLength = model.vocabulary.maxPositions } = parsed;
  const textMap = options.features !== undefined;
  const lambdaL = lambdaLOf(parsed.lambdaL, { textMap });
  const maskedShare = maskedShareOf(parsed.maskedShare, { textMap });
  const settings = { ...parsed, selectBy, maxLength, lambdaL, maskedShare };
  new RankingEvaluator({ items: model.vocabulary.items, metrics }); // refuses a name that is given twice
  const unknown = selectBy.find((name) => !metrics.includes(name));
  if (unknown !== undefined)
    throw new TrainingError(`selectBy: found ${unknown}, expected metrics of this run: ${metrics.join(", ")}`);
  if (texts && tables && !tables.content) {
    throw new TrainingError(
      "texts: found text documents without content tables; make them with initialTables({ contentDeviation })",
    );
  }
  if (tables) checkTables(tables, model.vocabulary);
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
  const priorDeviation = await priorDeviationOf(model.backbone, settings.priorDeviation);
  const features = options.features && combineFeatures(options.features);
  const rates = ratesOf(priorDeviation, settings, { textMap: features !== undefined });
  const given =
    options.tables ??
    (await startingTables({ model, seed: settings.seed, priorDeviation, content: texts !== undefined, features }));
  const { width } = model.vocabulary;
  const { skipGain = features ? "auto" : 0 } = settings;
  const gain = skipGain === "auto" ? balancedGain(given.collaborative.items) : skipGain;
  const start = withSkipPath(copyTables(given), gain, width);
  const { tables, textMap } = features ? splitByText(start, features, width) : { tables: start, textMap: undefined };
  const { unseenItems = features ? "excluded" : "negatives" } = settings;
  const candidates = unseenItems === "excluded" ? seenItems(options.train) : undefined;
  const dropout = (stream: number) => dropoutOptions(settings, stream, STREAMS);
  const decided = record(options, settings, rates, plans, given);
  return {
    settings,
    rates,
    tables,
    textMap,
    plans,
    candidates,
    dropout,
    record: {
      ...decided,
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

/** What an item's own contribution to its own score is to begin with, gain·‖z‖². */
const OWN_SCORE = 5;

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
  const { maxLength, targets, maskedShare, userToken, order, batch, contentSteps } = settings;
  const { textTokens, textBatch = { tokens: textTokens } } = settings;
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
  return {
    rec: new BatchPlan(documents, { size: batchSizeOf(batch) }),
    content: texts && contentSteps !== 0 ? new BatchPlan(texts, { size: batchSizeOf(textBatch) }) : undefined,
  };
}

/** Everything that decides the bits of a run but the number of epochs; a checkpoint of another record is refused. */
function record(
  { model, validation }: FinetuneOptions,
  settings: Preparation["settings"],
  rates: Rates,
  { rec, content }: Plans,
  tables: TokenTables,
): JsonRecord {
  return {
    ...backboneRecord(model.backbone),
    tables: hashTables(tables),
    seed: settings.seed,
    batches: rec.identity,
    texts: content?.identity ?? null,
    contentSteps: content ? settings.contentSteps : null,
    learningRate: learningRateRecord(rates.learningRate),
    contentLearningRate: content ? learningRateRecord(rates.contentLearningRate) : null,
    adam: JSON.parse(JSON.stringify(settings.adam)),
    averageDecay: settings.averageDecay,
    clipNorm: settings.clipNorm ?? null,
    targets: settings.targets,
    maskedShare: typeof settings.maskedShare === "number" ? settings.maskedShare : [...settings.maskedShare],
    userToken: settings.userToken,
    order: settings.order,
    dropout: settings.dropout,
    backboneDropout: settings.backboneDropout,
    lambdaC: settings.lambdaC,
    lambdaL: settings.lambdaL,
    scaling: settings.scaling,
    maxLength: settings.maxLength,
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
