// The task of CLLM4Rec: one side's tables towards a language model's loss and the squared terms (Eq. 7, 8, 10), its
// weights too where they are trained.
import type { BaseModel, LanguageModel, LossGradients, LossOptions } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { type LossBatch, mapObjective } from "../objective/map-objective.js";
import type { RegulariserScaling } from "../objective/regulariser.js";
import { gainName, TEXT_MAP, tableName } from "../parameters/table-parameters.js";
import type { Side, TokenTables } from "../tables/tables.js";
import type { TextMap } from "../text-map/text-map.js";
import { noTables } from "../weights/held-out-text.js";
import type { BatchSource, LossBatches } from "./batch-source.js";
import { defineTask, type Task, type TaskContext, type TaskResult } from "./task.js";

/** What {@link mapTask} is given, beside batches and their loss. */
export interface MapTaskOptions extends Pick<Task, "learningRate" | "clipNorm"> {
  readonly model: BaseModel<LanguageModel>;
  /**
   * The tables in training, as they are at each moment; absent: there are no users and items, as in language modelling.
   */
  readonly tables?: TokenTables | undefined;
  /** The items' tables are δ, and the map adds f(x) to them; its weights are trained by every task. */
  readonly textMap?: TextMap | undefined;
  /** The side that is trained; the other one is held fixed. Default `collaborative`. */
  readonly side?: Side;
  /** λ_c towards the other side, where there is one; default 0, which leaves it out. */
  readonly lambdaC?: number;
  /** λ_l; default 0. */
  readonly lambdaL?: number;
  /** Default `paper`. */
  readonly scaling?: RegulariserScaling;
  /**
   * Further options of the base model for an update, e.g. seeded dropout; `update` counts this task's updates from 0.
   */
  readonly lossOptions?: (
    update: number,
  ) => Omit<LossOptions, "reduction" | "gradients" | "signal" | "reusableGradients">;
}

/**
 * Gradients have the names of `tableParameters` and, where the backbone is trained, of its weights.
 * @throws TrainingError where there are tables, and none of the side
 */
export function mapTask(options: MapTaskOptions & LossBatches): Task {
  const { learningRate, clipNorm, tables, side = "collaborative" } = options;
  if (tables && !tables[side])
    throw new TrainingError(`the task trains the ${side} tables, which this run does not have`);
  /** The last gradients, for their memory. */
  const memory: { reusableGradients?: LossGradients } = {};
  const of = <D>(batches: BatchSource<D>, batch: (documents: readonly D[]) => LossBatch): Task =>
    defineTask({
      batches,
      learningRate,
      clipNorm,
      compute: (documents, context) => compute(options, batch(documents), context, memory),
    });
  // Keeps documents and loss of one type together.
  if (options.loss === "held-out") return of(options.batches, (documents) => ({ loss: "held-out", documents }));
  const { loss } = options;
  return of(options.batches, (documents) => ({ loss, documents }));
}

async function compute(
  {
    model,
    tables,
    textMap,
    side = "collaborative",
    lambdaC = 0,
    lambdaL = 0,
    scaling = "paper",
    lossOptions,
  }: MapTaskOptions,
  batch: LossBatch,
  { update }: TaskContext,
  memory: { reusableGradients?: LossGradients },
): Promise<TaskResult> {
  const other = tables?.[side === "collaborative" ? "content" : "collaborative"];
  const result = await mapObjective(model, batch, {
    tables: tables?.[side] ?? noTables,
    textMap,
    ...(other && { towards: other }),
    lambdaC: other ? lambdaC : 0,
    lambdaL,
    scaling,
    lossOptions: {
      ...lossOptions?.(update),
      ...(memory.reusableGradients && { reusableGradients: memory.reusableGradients }),
    },
  });
  memory.reusableGradients = result.gradients;
  const { users, items, skipGain, weights } = result.gradients;
  return {
    loss: result.languageModel,
    ...((lambdaC > 0 || lambdaL > 0) && { terms: { mutual: result.mutual, prior: result.prior } }),
    gradients: {
      ...(tables && { [tableName(side, "users")]: users, [tableName(side, "items")]: items }),
      ...(skipGain && { [gainName(side)]: skipGain }),
      ...(result.textMapGradient && { [TEXT_MAP]: result.textMapGradient }),
      ...weights,
    },
    targets: result.targets,
    usefulTokens: result.usefulTokens,
    computedTokens: result.computedTokens,
  };
}
