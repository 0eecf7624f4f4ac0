// How every stage writes its model into a model directory.
import type { BaseModel } from "@cllm4rec/backbone";
import type { JsonRecord } from "../checkpoint/checkpoint.js";
import { contentOf, type ModelContent } from "../checkpoint/model-content.js";
import { type ModelDescription, writeModel } from "../checkpoint/model-directory.js";
import type { TokenTables } from "../tables/tables.js";

/** The model directory of a stage: the model, and the training state that a run resumes from. */
export interface StageOutput extends ModelContent {
  readonly directory: string;
  /** How the backbone is named in config.json, e.g. its hub id. */
  readonly backboneId: string;
  /**
   * SHA-256 of the tokenizer's files, as `openBaseModel` of `@cllm4rec/recommend` returns it. Given: the directory says
   * how its model predicts (`settings.serving`), so that `openRecommender` opens it.
   */
  readonly tokenizerHash?: string | undefined;
  /** The dataset directory that the data come from, with `datasetHash` of its manifest. */
  readonly dataset?: { readonly path: string; readonly hash: string } | undefined;
  /** Written into config.json beside this run's own settings; its `serving` replaces the one written here. */
  readonly settings?: JsonRecord | undefined;
}

/** What is published, and what config.json says of it. */
export interface Publication {
  /** `pretrain`, `finetune`: the name of the stage, and of its settings in config.json. */
  readonly stage: string;
  readonly model: BaseModel;
  readonly tables: TokenTables;
  /** Everything that decided the run's bits. */
  readonly record: JsonRecord;
  readonly prompts: object | undefined;
  /** The prompt of prediction: the one that the tables were trained for. */
  readonly recommendation: {
    readonly userToken: boolean;
    readonly order: "shuffled" | "fixed";
    readonly maxLength: number;
    readonly seed: number;
  };
  /** Further keys of the settings. */
  readonly more?: JsonRecord;
  readonly metrics?: Readonly<Record<string, number>> | undefined;
}

/**
 * Writes tables and description in one step.
 * @throws TrainingError naming the file; a model that was there before is then untouched
 */
export async function publishModel(
  { directory, backboneId, tokenizerHash, dataset, settings, ...content }: StageOutput,
  { stage, model, tables, record, prompts, recommendation, more, metrics }: Publication,
): Promise<void> {
  const serving = tokenizerHash !== undefined && {
    ...(dataset && { dataset }),
    tokenizer: tokenizerHash,
    layers: model.backbone.config.layers,
    recommendation: { ...recommendation, prompts: prompts ?? {} },
  };
  const { words, users, items, width } = model.vocabulary;
  const json: ModelDescription["settings"] = JSON.parse(
    JSON.stringify({ ...(serving && { serving }), ...settings, [stage]: record, prompts: prompts ?? null, ...more }),
  );
  await writeModel(directory, {
    description: {
      format: "cllm4rec-model",
      version: 1,
      backbone: { id: backboneId, ...model.backbone.fingerprint },
      sizes: { words, users, items, width },
      stage,
      settings: json,
      ...(metrics && { metrics: { ...metrics } }),
    },
    tables,
    ...contentOf(content),
  });
}
