// The defaults of a run, filled in and checked, and the record of everything that decides its bits.
import { createHash } from "node:crypto";
import {
  BatchPlan,
  type Csr,
  documentLayout,
  type HeldOutDocument,
  type LanguageDocument,
  recommendationDocuments,
} from "@cllm4rec/corpus";
import { PAPER_METRICS } from "@cllm4rec/eval";
import { hashTables, type JsonRecord, learningRateRecord, TrainingError } from "@cllm4rec/training";
import type { FinetuneOptions } from "./options.js";

/** The options with every default in its place. */
export function complete(options: FinetuneOptions) {
  const metrics = options.metrics ?? PAPER_METRICS;
  const settings = {
    seed: 0,
    epochs: 100,
    batch: { documents: 128 },
    learningRate: 1e-3,
    contentLearningRate: options.learningRate ?? 1e-3,
    adam: {},
    averageDecay: 0.999,
    targets: "held-out" as const,
    maskedShare: [0.2, 0.8] as const,
    userToken: false,
    order: "shuffled" as const,
    dropout: 0,
    backboneDropout: false,
    lambdaC: 0.1,
    lambdaL: 0,
    scaling: "paper" as const,
    contentSteps: "epoch" as const,
    textBatch: { tokens: 4096 },
    maxLength: options.model.vocabulary.maxPositions,
    selectBy: metrics,
    validateEvery: 1,
    ...options,
    metrics,
  };
  check(
    "epochs",
    settings.epochs,
    Number.isSafeInteger(settings.epochs) && settings.epochs >= 0,
    "an integer of at least 0",
  );
  check("validateEvery", settings.validateEvery, isPositiveInteger(settings.validateEvery), "a positive integer");
  if (settings.patience !== undefined)
    check("patience", settings.patience, isPositiveInteger(settings.patience), "a positive integer");
  const { averageDecay } = settings;
  check("averageDecay", averageDecay, averageDecay >= 0 && averageDecay < 1, "a number from 0 to below 1");
  check("dropout", settings.dropout, settings.dropout >= 0 && settings.dropout < 1, "a number from 0 to below 1");
  if (settings.contentSteps !== "epoch") {
    const { contentSteps } = settings;
    const good = Number.isSafeInteger(contentSteps) && contentSteps >= 0;
    check("contentSteps", contentSteps, good, 'an integer of at least 0 or "epoch"');
  }
  const unknown = settings.selectBy.find((name) => !metrics.includes(name));
  if (unknown !== undefined || settings.selectBy.length === 0) {
    throw new TrainingError(
      `selectBy: found ${unknown ?? "nothing"}, expected metrics of this run: ${metrics.join(", ")}`,
    );
  }
  if (options.texts && !options.tables.content) {
    throw new TrainingError(
      "texts: found text documents without content tables; make them with initialTables({ contentDeviation })",
    );
  }
  return settings;
}

export type Settings = ReturnType<typeof complete>;

const isPositiveInteger = (value: number) => Number.isSafeInteger(value) && value > 0;

function check(name: string, value: number, good: boolean, expected: string): void {
  if (!good) throw new TrainingError(`${name}: found ${value}, expected ${expected}`);
}

/** The batches of both tasks. */
export function batchPlans(settings: Settings): {
  readonly rec: BatchPlan<HeldOutDocument>;
  readonly content: BatchPlan<LanguageDocument> | undefined;
} {
  const {
    model,
    tokenizer,
    train,
    maxLength,
    targets,
    maskedShare,
    userToken,
    order,
    prompts,
    batch,
    texts,
    textBatch,
    contentSteps,
  } = settings;
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
    rec: new BatchPlan(documents, { size: batch }),
    content: texts && contentSteps !== 0 ? new BatchPlan(texts, { size: textBatch }) : undefined,
  };
}

/** Everything that decides the bits of a run but the number of epochs; a checkpoint of another record is refused. */
export function record(settings: Settings, plans: ReturnType<typeof batchPlans>): JsonRecord {
  const { model, validation } = settings;
  return {
    backbone: model.backbone.contentHash,
    tables: hashTables(settings.tables),
    seed: settings.seed,
    batches: plans.rec.identity,
    texts: plans.content?.identity ?? null,
    contentSteps: plans.content ? settings.contentSteps : null,
    learningRate: learningRateRecord(settings.learningRate),
    contentLearningRate: plans.content ? learningRateRecord(settings.contentLearningRate) : null,
    adam: { ...settings.adam },
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
