// Full training: every weight of the language model, and the soft tables beside them where there are any, towards one loss.
import type { BaseModel, DropoutOptions, LossGradients, TrainableBackbone } from "@cllm4rec/backbone";
import { type CheckpointStore, isJsonRecord, type JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import type { EventListener, StopReason } from "../events/events.js";
import { clipByGlobalNorm, globalNorm } from "../gradients/row-gradients.js";
import { type LossBatches, nextBatch } from "../loop/batch-source.js";
import { type BatchState, batchState, refuseOtherSettings } from "../loop/loop-state.js";
import type { TableOptimiser } from "../loop/table-optimiser.js";
import { type MapObjectiveResult, mapObjective } from "../objective/map-objective.js";
import { type LearningRate, learningRateRecord, schedule } from "../optimiser/schedule.js";
import type { Side } from "../tables/tables.js";
import { noTables } from "./held-out-text.js";
import { type WeightOptimiser, wholeRow } from "./weight-optimiser.js";

/** What is trained on; `next-word` over plain text is language modelling. */
export type WeightTask = LossBatches;

export interface WeightTrainingOptions {
  readonly model: BaseModel<TrainableBackbone>;
  readonly task: WeightTask;
  /** Over the weights of the model's backbone. */
  readonly optimiser: WeightOptimiser;
  /** The tables of soft tokens that are trained beside the weights (the paper's LLM-FtAll); absent for plain text. */
  readonly tables?: {
    readonly optimiser: TableOptimiser;
    readonly side: Side;
    /** Default: the weights' own. */
    readonly learningRate?: number | LearningRate;
  };
  /** How many updates in all. */
  readonly updates: number;
  /** By updates from 0; default 1e-3. */
  readonly learningRate?: number | LearningRate;
  /** Largest global norm of a gradient, weights and tables together; default 1. `null`: no clipping. */
  readonly clipNorm?: number | null;
  /** What is dropped in an update; default nothing. The seed of the run decides which elements. */
  readonly dropout?: Omit<DropoutOptions, "seed">;
  /** An integer from 0 to 2⁵³ − 1; default 0. */
  readonly seed?: number;
  /** Measures on data that are not trained on; called after every `every` updates and after the last. */
  readonly validate?: {
    readonly every: number;
    /** Metrics by name; the first one counts, and less of it is better. */
    readonly measure: () => Promise<Readonly<Record<string, number>>>;
  };
  readonly store?: CheckpointStore;
  /** Seconds between two checkpoints; default 60. One is also saved at the end. 0 saves after every update. */
  readonly saveEverySeconds?: number;
  /** Ends the run after the update under way; it is saved and can go on. */
  readonly stop?: AbortSignal;
  readonly onEvent?: EventListener;
  /** Milliseconds; by default `performance.now`. */
  readonly now?: () => number;
}

const STAGE = "weights";
const PHASE = "language-model";

/**
 * Trains all weights, or goes on with what the store's checkpoint has not done: the same bits as a run that was never stopped. The model's
 * weights and tables are changed in place; `model.backbone.save(directory)` writes them for others to load.
 * @returns why it ended, and the number of updates done in all
 * @throws TrainingError for a loss that is not finite, a checkpoint of other settings, or one that cannot be written (what was saved
 *   before is untouched)
 */
export async function trainWeights(
  options: WeightTrainingOptions,
): Promise<{ readonly reason: StopReason; readonly updates: number }> {
  return new WeightTraining(options).run();
}

class WeightTraining {
  private readonly now: () => number;
  private readonly settings: JsonRecord;
  private cursor: BatchState;
  private updates = 0;
  private best = Number.POSITIVE_INFINITY;
  private savedAt = 0;
  private dirty = false;
  /** The last gradients, for their memory. */
  private spent: LossGradients | undefined;

  constructor(private readonly options: WeightTrainingOptions) {
    const { model, task, optimiser, tables, updates, seed = 0, learningRate = 1e-3, validate } = options;
    const { clipNorm = 1, dropout } = options;
    for (const [name, value] of Object.entries({ updates, ...(validate && { "validate.every": validate.every }) })) {
      if (!Number.isSafeInteger(value) || value < 1)
        throw new TrainingError(`${name}: found ${value}, expected a positive integer`);
    }
    this.now = options.now ?? (() => performance.now());
    this.cursor = { seed, epoch: 0, step: 0 };
    this.settings = {
      model: `${model.backbone.config.modelType}, ${model.backbone.parameterCount} parameters`,
      loss: task.loss,
      batches: task.batches.identity,
      seed,
      learningRate: learningRateRecord(learningRate),
      optimiser: { ...optimiser.settings },
      clipNorm,
      dropout: dropout ? { ...dropout } : null,
      tables: tables
        ? { side: tables.side, learningRate: learningRateRecord(tables.learningRate ?? learningRate) }
        : null,
    };
  }

  async run(): Promise<{ reason: StopReason; updates: number }> {
    const { store, stop, updates, validate, saveEverySeconds = 60, onEvent } = this.options;
    const resumed = await this.resume();
    onEvent?.({
      type: "run-started",
      stage: STAGE,
      update: this.updates,
      ...(resumed && store && { resumedFrom: store.name }),
    });
    this.savedAt = this.now();
    let reason: StopReason = "finished";
    while (this.updates < updates) {
      if (stop?.aborted) {
        reason = "stopped";
        break;
      }
      await this.update();
      if (validate && (this.updates % validate.every === 0 || this.updates === updates)) await this.validate();
      if (this.now() - this.savedAt >= saveEverySeconds * 1000) await this.save();
    }
    if (this.dirty) await this.save();
    onEvent?.({ type: "run-ended", stage: STAGE, reason, update: this.updates });
    return { reason, updates: this.updates };
  }

  private async update(): Promise<void> {
    const { model, task, optimiser, tables, learningRate = 1e-3, clipNorm = 1, onEvent } = this.options;
    const started = this.now();
    const { cursor } = this;
    const { batch, next } = nextBatch(task, cursor);
    const soft = tables?.optimiser.tables[tables.side];
    if (tables && !soft) throw new TrainingError(`tables: found no ${tables.side} tables in the optimiser`);
    const { spent } = this;
    const result = await mapObjective(model, batch, {
      tables: soft ?? noTables,
      lossOptions: { ...this.lossOptions(), ...(spent && { spent }) },
    });
    const { users, items, weights = {} } = result.gradients;
    const gradients = [users, items, ...Object.values(weights).map(wholeRow)];
    const gradientNorm = clipNorm === null ? globalNorm(gradients) : clipByGlobalNorm(gradients, clipNorm);
    this.checkFinite(result, gradientNorm);
    const rate = schedule(learningRate)(this.updates);
    optimiser.update(weights, rate);
    if (tables) {
      const own = schedule(tables.learningRate ?? learningRate)(this.updates);
      if (users.rows.length > 0) tables.optimiser.update(tables.side, "users", users, own);
      if (items.rows.length > 0) tables.optimiser.update(tables.side, "items", items, own);
    }
    this.spent = result.gradients;
    const steps = task.batches.steps(cursor);
    this.cursor = next;
    this.updates++;
    this.dirty = true;
    onEvent?.({
      type: "step",
      stage: STAGE,
      phase: PHASE,
      task: task.loss,
      round: cursor.epoch,
      step: cursor.step + 1,
      steps,
      update: this.updates,
      objective: result.objective,
      languageModel: result.languageModel,
      mutual: 0,
      prior: 0,
      gradientNorm,
      learningRate: rate,
      documents: batch.documents.length,
      targets: result.targets,
      usefulTokens: result.usefulTokens,
      computedTokens: result.computedTokens,
      milliseconds: this.now() - started,
    });
  }

  /** Each update drops other elements. */
  private lossOptions(): { readonly dropout?: DropoutOptions } {
    const { dropout, seed = 0 } = this.options;
    return dropout ? { dropout: { ...dropout, seed: (seed % 2 ** 20) * 2 ** 32 + this.updates } } : {};
  }

  private async validate(): Promise<void> {
    const { validate, onEvent } = this.options;
    const started = this.now();
    const metrics = (await validate?.measure()) ?? {};
    const selection = Object.values(metrics)[0] ?? Number.NaN;
    const best = selection < this.best;
    if (best) this.best = selection;
    onEvent?.({
      type: "validation",
      stage: STAGE,
      round: this.cursor.epoch,
      update: this.updates,
      users: 0,
      metrics,
      selection,
      best,
      milliseconds: this.now() - started,
    });
  }

  private checkFinite({ objective }: MapObjectiveResult, norm: number): void {
    if (Number.isFinite(objective) && Number.isFinite(norm)) return;
    const { store } = this.options;
    throw new TrainingError(
      `update ${this.updates}: found a loss of ${objective} with a gradient norm of ${norm}, expected finite numbers; lower the learning rate or clip the gradient.${store ? ` The last checkpoint, ${store.name}, is from before.` : ""}`,
    );
  }

  private tensors() {
    const { optimiser, tables } = this.options;
    const soft = Object.entries(tables?.optimiser.tensors() ?? {}).map(([name, tensor]) => [`tables.${name}`, tensor]);
    return { ...optimiser.tensors(), ...Object.fromEntries(soft) };
  }

  private async save(): Promise<void> {
    const { store, onEvent } = this.options;
    if (!store) return;
    const started = this.now();
    const best = Number.isFinite(this.best) ? this.best : null;
    const state = { settings: this.settings, cursor: { ...this.cursor }, updates: this.updates, best };
    await store.save({ state, tensors: this.tensors() });
    this.savedAt = this.now();
    this.dirty = false;
    onEvent?.({
      type: "checkpoint",
      stage: STAGE,
      file: store.name,
      update: this.updates,
      milliseconds: this.savedAt - started,
    });
  }

  private async resume(): Promise<boolean> {
    const { store, optimiser, tables } = this.options;
    const saved = await store?.load();
    if (!saved || !store) return false;
    const { settings, cursor, updates, best } = saved.state;
    const parsed = batchState.safeParse(cursor);
    if (!isJsonRecord(settings) || !parsed.success || typeof updates !== "number")
      throw new TrainingError(`${store.name}: no settings, cursor and updates in the state; the file is damaged`);
    refuseOtherSettings(settings, this.settings, store.name);
    optimiser.restore(saved.tensors, store.name);
    if (tables) {
      const own = Object.entries(saved.tensors).filter(([name]) => name.startsWith("tables."));
      tables.optimiser.restore(
        Object.fromEntries(own.map(([name, tensor]) => [name.slice("tables.".length), tensor])),
        store.name,
      );
    }
    this.cursor = parsed.data;
    this.updates = updates;
    if (typeof best === "number") this.best = best;
    return true;
  }
}
