// A run before its first update: settings with every default, starting tables, batches, and the record of all that
// decides its bits.
import { BatchPlan, documentLayout, interactionDocuments, type LanguageDocument } from "@cllm4rec/corpus";
import { type BatchSource, type JsonRecord, TrainingError } from "@cllm4rec/training";
import {
  backboneRecord,
  batchSizeOf,
  checkTables,
  dropoutOptions,
  hashTables,
  lambdaLOf,
  learningRateRecord,
  parseSettings,
  priorDeviationOf,
  type Rates,
  ratesOf,
  startingTables,
  type TokenTables,
} from "@cllm4rec/training/stage";
import type { z } from "zod";
import type { PretrainOptions } from "./options.js";
import { pretrainSchema } from "./settings.js";

export const STAGE = "pretrain";
/** Tasks that the seeds of dropout tell apart. */
const STREAMS = 4;

/** The batches of both language models. */
interface Plans {
  readonly interactions: BatchPlan<LanguageDocument>;
  readonly texts: BatchPlan<LanguageDocument> | undefined;
}

/** What a run is made of. */
export interface Preparation {
  readonly settings: z.output<typeof pretrainSchema> & { readonly lambdaL: number };
  readonly maxLength: number;
  readonly rates: Rates;
  /** Without content tables where there are no texts. */
  readonly tables: TokenTables;
  readonly plans: Plans;
  readonly dropout: (stream: number) => ReturnType<typeof dropoutOptions>;
  readonly record: JsonRecord;
}

/**
 * The settings, and the batches that they make.
 * @throws TrainingError or CorpusUsageError for anything that cannot be trained
 */
export function check(options: PretrainOptions) {
  const { model, texts, tables } = options;
  const parsed = parseSettings(pretrainSchema, options);
  const settings = { ...parsed, lambdaL: lambdaLOf(parsed.lambdaL) };
  if (texts && tables && !tables.content) {
    throw new TrainingError(
      "texts: found text documents without content tables; make them with initialTables({ contentDeviation })",
    );
  }
  if (tables) checkTables(texts ? tables : { collaborative: tables.collaborative }, model.vocabulary);
  const maxLength = settings.maxLength ?? model.vocabulary.maxPositions;
  return { settings, maxLength, plans: batchPlans(options, settings, maxLength) };
}

/** @throws as {@link check} does */
export async function prepare(options: PretrainOptions): Promise<Preparation> {
  const { model, texts } = options;
  const { settings, maxLength, plans } = check(options);
  const priorDeviation = await priorDeviationOf(model.backbone, settings.priorDeviation);
  const rates = ratesOf(priorDeviation, settings);
  const given =
    options.tables ??
    (await startingTables({ model, seed: settings.seed, priorDeviation, content: texts !== undefined }));
  const tables = texts ? given : { collaborative: given.collaborative };
  const dropout = (stream: number) => dropoutOptions(settings, stream, STREAMS);
  return {
    settings,
    maxLength,
    rates,
    tables,
    plans,
    dropout,
    record: record(options, settings, rates, plans, tables, maxLength),
  };
}

function batchPlans(
  { model, tokenizer, train, texts, prompts }: PretrainOptions,
  { order, batch, textTokens, textBatch = { tokens: textTokens } }: Preparation["settings"],
  maxLength: number,
): Plans {
  const documents = interactionDocuments({
    tokenizer,
    interactions: train,
    layout: documentLayout(model.layout),
    maxLength,
    order,
    ...(prompts && { prompts }),
  });
  return {
    interactions: new BatchPlan(documents, { size: batchSizeOf(batch) }),
    texts: texts && new BatchPlan(texts, { size: batchSizeOf(textBatch) }),
  };
}

/** Everything that decides the bits of a run but the number of rounds; a checkpoint of another record is refused. */
function record(
  { model }: PretrainOptions,
  settings: Preparation["settings"],
  rates: Rates,
  { interactions, texts }: Plans,
  tables: TokenTables,
  maxLength: number,
): JsonRecord {
  return {
    ...backboneRecord(model.backbone),
    tables: hashTables(tables),
    seed: settings.seed,
    batches: interactions.identity,
    texts: texts?.identity ?? null,
    warmUpEpochs: texts ? settings.warmUpEpochs : null,
    lSteps: settings.lSteps,
    cSteps: texts ? settings.cSteps : null,
    learningRate: learningRateRecord(rates.learningRate),
    contentLearningRate: texts ? learningRateRecord(rates.contentLearningRate) : null,
    adam: JSON.parse(JSON.stringify(settings.adam)),
    clipNorm: settings.clipNorm ?? null,
    lambdaC: texts ? settings.lambdaC : null,
    lambdaL: settings.lambdaL,
    scaling: settings.scaling,
    order: settings.order,
    dropout: settings.dropout,
    backboneDropout: settings.backboneDropout,
    maxLength,
  };
}

/** The same batches `offset` epochs on, so that the alternation does not repeat the order of the warm-up. */
export function laterEpochs<D>(plan: BatchSource<D>, offset: number): BatchSource<D> {
  return {
    identity: `${plan.identity} from epoch ${offset}`,
    steps: ({ seed, epoch }) => plan.steps({ seed, epoch: epoch + offset }),
    batch(state) {
      const { documents, next } = plan.batch({ ...state, epoch: state.epoch + offset });
      return { documents, next: { ...next, epoch: next.epoch - offset } };
    },
  };
}
