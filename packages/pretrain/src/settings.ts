// The defaults of a run, filled in and checked, and the record of everything that decides its bits.
import { BatchPlan, documentLayout, interactionDocuments, type LanguageDocument } from "@cllm4rec/corpus";
import { hashTables, type JsonRecord, learningRateRecord, type TokenTables, TrainingError } from "@cllm4rec/training";
import type { PretrainOptions } from "./options.js";

/** The options with every default in its place. */
export function complete(options: PretrainOptions) {
  const { learningRate = 1e-3, texts, tables } = options;
  const peak = typeof learningRate === "number" ? learningRate : learningRate.peak;
  const settings = {
    seed: 0,
    warmUpEpochs: 10,
    rounds: 100,
    lSteps: "epoch" as const,
    cSteps: "epoch" as const,
    batch: { documents: 128 },
    textBatch: { tokens: 4096 },
    contentLearningRate: peak,
    adam: {},
    lambdaC: 0.1,
    lambdaL: 0,
    scaling: "paper" as const,
    order: "shuffled" as const,
    dropout: 0,
    backboneDropout: false,
    maxLength: options.model.vocabulary.maxPositions,
    ...options,
    learningRate,
  };
  for (const name of ["warmUpEpochs", "rounds"] as const) {
    check(
      name,
      settings[name],
      Number.isSafeInteger(settings[name]) && settings[name] >= 0,
      "an integer of at least 0",
    );
  }
  for (const name of ["lSteps", "cSteps"] as const) {
    const steps = settings[name];
    check(
      name,
      steps,
      steps === "epoch" || (Number.isSafeInteger(steps) && steps > 0),
      'a positive integer or "epoch"',
    );
  }
  check("dropout", settings.dropout, settings.dropout >= 0 && settings.dropout < 1, "a number from 0 to below 1");
  if (texts && !tables.content) {
    throw new TrainingError(
      "texts: found text documents without content tables; make them with initialTables({ contentDeviation })",
    );
  }
  return settings;
}

export type Settings = ReturnType<typeof complete>;

function check(name: string, value: number | string, good: boolean, expected: string): void {
  if (!good) throw new TrainingError(`${name}: found ${value}, expected ${expected}`);
}

/** The batches of both language models. */
export interface Plans {
  readonly interactions: BatchPlan<LanguageDocument>;
  readonly texts: BatchPlan<LanguageDocument> | undefined;
}

export function batchPlans({
  model,
  tokenizer,
  train,
  maxLength,
  order,
  prompts,
  batch,
  texts,
  textBatch,
}: Settings): Plans {
  const documents = interactionDocuments({
    tokenizer,
    interactions: train,
    layout: documentLayout(model.layout),
    maxLength,
    order,
    ...(prompts && { prompts }),
  });
  return {
    interactions: new BatchPlan(documents, { size: batch }),
    texts: texts && new BatchPlan(texts, { size: textBatch }),
  };
}

/** Everything that decides the bits of a run but the number of rounds; a checkpoint of another record is refused. */
export function record(settings: Settings, plans: Plans, tables: TokenTables): JsonRecord {
  const { texts } = plans;
  return {
    backbone: settings.model.backbone.contentHash,
    tables: hashTables(tables),
    seed: settings.seed,
    batches: plans.interactions.identity,
    texts: texts?.identity ?? null,
    warmUpEpochs: texts ? settings.warmUpEpochs : null,
    lSteps: settings.lSteps,
    cSteps: texts ? settings.cSteps : null,
    learningRate: learningRateRecord(settings.learningRate),
    contentLearningRate: texts ? learningRateRecord(settings.contentLearningRate) : null,
    adam: { ...settings.adam },
    clipNorm: settings.clipNorm ?? null,
    lambdaC: texts ? settings.lambdaC : null,
    lambdaL: settings.lambdaL,
    scaling: settings.scaling,
    order: settings.order,
    dropout: settings.dropout,
    backboneDropout: settings.backboneDropout,
    maxLength: settings.maxLength,
  };
}
