// A run before its first update: settings with every default, starting tables, batches, and the record of what decides
// its bits.
import { BatchPlan, documentLayout, interactionDocuments, type LanguageDocument } from "@cllm4rec/corpus";
import type { BatchSource, JsonRecord } from "@cllm4rec/training";
import {
  batchSizesOf,
  checkGivenTables,
  dropoutOptions,
  parseSettings,
  type Rates,
  type ResolvedSettings,
  resolveSettings,
  type StagePlans,
  stageRecord,
  startRun,
  type TokenTables,
} from "@cllm4rec/training/stage";
import type { z } from "zod";
import type { PretrainOptions } from "./options.js";
import { pretrainSchema } from "./settings.js";

export const STAGE = "pretrain";
/** Tasks that the seeds of dropout tell apart. */
const STREAMS = 4;

/** The batches of both language models. */
type Plans = StagePlans<BatchPlan<LanguageDocument>, BatchPlan<LanguageDocument>>;

/** What a run is made of. */
export interface Preparation {
  readonly settings: ResolvedSettings<z.output<typeof pretrainSchema>>;
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
  const settings = resolveSettings(parseSettings(pretrainSchema, options), model);
  checkGivenTables(tables && usedTables(tables, options), model, { texts: texts !== undefined });
  return { settings, plans: batchPlans(options, settings) };
}

/** @throws as {@link check} does */
export async function prepare(options: PretrainOptions): Promise<Preparation> {
  const { model, texts } = options;
  const { settings, plans } = check(options);
  const { rates, tables: given } = await startRun(options, settings, { texts: texts !== undefined });
  const tables = usedTables(given, options);
  return {
    settings,
    rates,
    tables,
    plans,
    dropout: (stream) => dropoutOptions(settings, stream, STREAMS),
    record: {
      ...stageRecord(model, settings, { rates, tables }, plans),
      warmUpEpochs: texts ? settings.warmUpEpochs : null,
      lSteps: settings.lSteps,
      cSteps: texts ? settings.cSteps : null,
      lambdaC: texts ? settings.lambdaC : null,
    },
  };
}

/** Without texts, nothing trains the content tables, and nothing is drawn towards them. */
function usedTables(tables: TokenTables, { texts }: PretrainOptions): TokenTables {
  return texts ? tables : { collaborative: tables.collaborative };
}

function batchPlans(
  { model, tokenizer, train, texts, prompts }: PretrainOptions,
  settings: Preparation["settings"],
): Plans {
  const { maxLength, order } = settings;
  const documents = interactionDocuments({
    tokenizer,
    interactions: train,
    layout: documentLayout(model.layout),
    maxLength,
    order,
    ...(prompts && { prompts }),
  });
  const sizes = batchSizesOf(settings);
  return {
    users: new BatchPlan(documents, { size: sizes.users }),
    texts: texts && new BatchPlan(texts, { size: sizes.texts }),
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
