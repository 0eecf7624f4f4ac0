// What the stages do alike before the first update of a run: settings resolved, starting tables checked or made, and
// the record of what decides the run's bits.
import type { BaseModel } from "@cllm4rec/backbone";
import type { SparseFeatures } from "@cllm4rec/corpus";
import type { z } from "zod";
import type { JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import { learningRateRecord } from "../optimiser/schedule.js";
import { checkTables } from "../tables/check-tables.js";
import { hashTables, type TokenTables } from "../tables/tables.js";
import { backboneRecord } from "./backbone-record.js";
import { lambdaLOf, priorDeviationOf, type Rates, ratesOf } from "./scales.js";
import { batchSizeOf, type runSettings, type stageSettings } from "./settings.js";
import { startingTables } from "./starting-tables.js";

/** The settings that all stages have, parsed. */
type CommonSettings = z.output<z.ZodObject<typeof runSettings & typeof stageSettings>>;

/** Settings whose defaults depend on the model or the text map, resolved. */
export type ResolvedSettings<S = CommonSettings> = S & { readonly maxLength: number; readonly lambdaL: number };

/** Fills in the longest prompt, from the backbone's positions, and λ_l. */
export function resolveSettings<S extends CommonSettings>(
  settings: S,
  { vocabulary }: BaseModel,
  { textMap = false }: { readonly textMap?: boolean } = {},
): ResolvedSettings<S> {
  const { maxLength = vocabulary.maxPositions, lambdaL } = settings;
  return { ...settings, maxLength, lambdaL: lambdaLOf(lambdaL, { textMap }) };
}

/** Sizes of the batches of users and of texts, for `BatchPlan` of `@cllm4rec/corpus`. */
export function batchSizesOf({ batch, textTokens, textBatch = { tokens: textTokens } }: CommonSettings) {
  return { users: batchSizeOf(batch), texts: batchSizeOf(textBatch) };
}

/**
 * Checks the tables that a run is given, if any.
 * @param given.texts whether there are text documents, which need content tables
 * @throws TrainingError naming the table and what is expected
 */
export function checkGivenTables(
  tables: TokenTables | undefined,
  { vocabulary }: BaseModel,
  { texts }: { readonly texts: boolean },
): void {
  if (!tables) return;
  if (texts && !tables.content) {
    throw new TrainingError(
      "texts: found text documents without content tables; make them with initialTables({ contentDeviation })",
    );
  }
  checkTables(tables, vocabulary);
}

/** Where a run begins. */
export interface RunStart {
  readonly rates: Rates;
  /** The given tables themselves, or new ones. */
  readonly tables: TokenTables;
}

/**
 * Learning rates by the scale of the initial embeddings, and the tables that are given, or else random ones of that
 * scale.
 * @param given.texts whether there are text documents: new tables then have a content side
 * @param given.features features of the items' texts, [J, F]: the rates are those of a text map, with which new tables
 *   begin
 */
export async function startRun(
  { model, tables }: { readonly model: BaseModel; readonly tables?: TokenTables | undefined },
  settings: { readonly [R in keyof Rates]?: Rates[R] | undefined } & Pick<CommonSettings, "seed" | "priorDeviation">,
  { texts, features }: { readonly texts: boolean; readonly features?: SparseFeatures | undefined },
): Promise<RunStart> {
  const priorDeviation = await priorDeviationOf(model.backbone, settings.priorDeviation);
  return {
    rates: ratesOf(priorDeviation, settings, { textMap: features !== undefined }),
    tables: tables ?? (await startingTables({ model, seed: settings.seed, priorDeviation, content: texts, features })),
  };
}

/** The batches of a run: of users' documents, and of texts where content is learned. */
export interface StagePlans<U, T> {
  readonly users: U;
  readonly texts: T | undefined;
}

/**
 * What decides the bits of a run in every stage. A stage adds its own settings, and leaves out what may change when a
 * run resumes; a checkpoint of another record is refused.
 */
export function stageRecord(
  { backbone }: BaseModel,
  settings: ResolvedSettings,
  { rates, tables }: RunStart,
  { users, texts }: StagePlans<{ readonly identity: string }, { readonly identity: string }>,
): JsonRecord {
  return {
    ...backboneRecord(backbone),
    tables: hashTables(tables),
    seed: settings.seed,
    batches: users.identity,
    texts: texts?.identity ?? null,
    learningRate: learningRateRecord(rates.learningRate),
    contentLearningRate: texts ? learningRateRecord(rates.contentLearningRate) : null,
    adam: JSON.parse(JSON.stringify(settings.adam)),
    clipNorm: settings.clipNorm ?? null,
    lambdaL: settings.lambdaL,
    scaling: settings.scaling,
    order: settings.order,
    dropout: settings.dropout,
    backboneDropout: settings.backboneDropout,
    maxLength: settings.maxLength,
  };
}
