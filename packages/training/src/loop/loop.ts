// The loop that both trainers run: rounds of tasks, an optimiser update each, saved and resumed to the same bits.
import type { BaseModel, LossGradients, LossOptions } from "@cllm4rec/backbone";
import type { CheckpointStore, Json, JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import type { EventListener, StopReason, TrainingEvent } from "../events/events.js";
import { clipByGlobalNorm, globalNorm } from "../gradients/row-gradients.js";
import { type MapObjectiveResult, mapObjective } from "../objective/map-objective.js";
import type { RegulariserScaling } from "../objective/regulariser.js";
import type { Schedule } from "../optimiser/schedule.js";
import type { Side, TokenTables } from "../tables/tables.js";
import { BatchStream, type LossBatches } from "./batch-source.js";
import { type LoopState, parseLoopState } from "./loop-state.js";
import type { TableOptimiser } from "./table-optimiser.js";

interface TaskCommon {
  /** The side that is trained; the other one is held fixed. */
  readonly side: Side;
  /** λ_c towards the other side; 0 leaves it out. */
  readonly lambdaC: number;
  readonly lambdaL: number;
  readonly scaling: RegulariserScaling;
  /** By this task's own updates, from 0. */
  readonly learningRate: Schedule;
  /** Largest global norm of a gradient; absent: no clipping. */
  readonly clipNorm?: number;
  /** Further options of the base model for this update, e.g. seeded dropout; `update` counts this task's updates from 0. */
  readonly lossOptions?: (update: number) => Omit<LossOptions, "reduction" | "gradients" | "signal" | "spent">;
}

/** One kind of update. */
export type Task = TaskCommon & LossBatches;

/** What is done before the trainer looks up again. */
export interface Round {
  readonly phase: string;
  /** Tasks by name, in turn: a number of steps, or an epoch, where `steps` is absent, from wherever its batches stand to their end. */
  readonly segments: readonly { readonly task: string; readonly steps?: number }[];
}

export interface LoopOptions {
  readonly stage: string;
  readonly model: BaseModel;
  readonly optimiser: TableOptimiser;
  readonly tasks: Readonly<Record<string, Task>>;
  /** The rounds of the run; `undefined` ends it. */
  readonly rounds: (round: number) => Round | undefined;
  readonly seed: number;
  /** Everything that decides the bits of the run; a checkpoint of a run with other settings is refused. */
  readonly settings: JsonRecord;
  /**
   * After each round, e.g. validation. May keep its own JSON in `memory`, which is saved. `interrupted`: it gave way to `stop`, and is to be
   * done again when the run goes on.
   */
  readonly afterRound?: (context: RoundContext) => Promise<"continue" | "stop" | "interrupted">;
  readonly memory?: Record<string, Json>;
  readonly store?: CheckpointStore;
  /** Seconds between two checkpoints; default 60. One is also saved at the end. 0 saves after every update. */
  readonly saveEverySeconds?: number;
  /** Ends the run after the update under way; it is saved and can go on. */
  readonly stop?: AbortSignal;
  readonly onEvent?: EventListener;
  /** Milliseconds; by default `performance.now`. Nothing but timings and the moments of checkpoints depends on it. */
  readonly now?: () => number;
}

export interface RoundContext {
  readonly round: number;
  readonly phase: string;
  readonly update: number;
  readonly memory: Record<string, Json>;
  /** The moving averages where they are kept. */
  readonly tables: TokenTables;
  /** Saves the run as it stands after this round. */
  save(): Promise<void>;
  emit(event: TrainingEvent): void;
}

/**
 * Runs all rounds, or goes on with the ones that the store's checkpoint has not done.
 * @returns why it ended, and the number of updates done in all
 * @throws TrainingError for a loss that is not finite, a checkpoint of other settings, or one that cannot be written (what was saved
 *   before is untouched)
 */
export async function runLoop(options: LoopOptions): Promise<{ reason: StopReason; updates: number }> {
  return new Loop(options).run();
}

class Loop {
  private readonly now: () => number;
  private readonly memory: Record<string, Json>;
  private state: LoopState;
  private savedAt = 0;
  private dirty = false;
  private readonly streams = new Map<string, BatchStream>();
  /** The last gradients of each task, for their memory. */
  private readonly spent = new Map<string, LossGradients>();

  constructor(private readonly options: LoopOptions) {
    const { tasks, seed, now = () => performance.now(), memory = {} } = options;
    this.now = now;
    this.memory = memory;
    this.state = {
      round: 0,
      segment: 0,
      step: 0,
      ended: false,
      cursors: Object.fromEntries(Object.keys(tasks).map((name) => [name, { seed, epoch: 0, step: 0 }])),
      updates: Object.fromEntries(Object.keys(tasks).map((name) => [name, 0])),
      losses: {},
    };
  }

  async run(): Promise<{ reason: StopReason; updates: number }> {
    const { store, stop, rounds, stage, saveEverySeconds = 60 } = this.options;
    const resumed = await this.resume();
    this.emit({
      type: "run-started",
      stage,
      update: this.updates,
      ...(resumed && store && { resumedFrom: store.name }),
    });
    this.savedAt = this.now();
    let reason: StopReason = this.state.ended ? "early" : "finished";
    while (!this.state.ended) {
      if (stop?.aborted) {
        reason = "stopped";
        break;
      }
      const round = rounds(this.state.round);
      if (!round) break;
      if (this.now() - this.savedAt >= saveEverySeconds * 1000) await this.save();
      const segment = round.segments[this.state.segment];
      if (segment) {
        await this.update(round, segment);
      } else if ((await this.finishRound(round)) === "stop") {
        reason = "early";
      }
    }
    if (this.dirty) await this.save();
    this.emit({ type: "run-ended", stage, reason, update: this.updates });
    return { reason, updates: this.updates };
  }

  private get updates(): number {
    return Object.values(this.state.updates).reduce((sum, n) => sum + n, 0);
  }

  private async update({ phase }: Round, { task: name, steps }: Round["segments"][number]): Promise<void> {
    const { stage, tasks, optimiser, model } = this.options;
    const task = tasks[name];
    const cursor = this.state.cursors[name];
    if (!task || !cursor)
      throw new TrainingError(
        `round ${this.state.round} names the task ${name}, expected one of ${Object.keys(tasks).join(", ")}`,
      );
    if (steps !== undefined && !(Number.isSafeInteger(steps) && steps > 0)) {
      throw new TrainingError(
        `round ${this.state.round}: found ${steps} steps of ${name}, expected a positive integer`,
      );
    }
    const started = this.now();
    const number = this.state.updates[name]!;
    const left = steps === undefined ? task.batches.steps(cursor) - cursor.step : steps - this.state.step;
    const stream = this.streams.get(name) ?? new BatchStream(task);
    this.streams.set(name, stream);
    const { batch, next } = stream.at(cursor);
    const own = optimiser.tables[task.side];
    const other = optimiser.tables[task.side === "collaborative" ? "content" : "collaborative"];
    if (!own) throw new TrainingError(`task ${name} trains the ${task.side} tables, which this run does not have`);
    const spent = this.spent.get(name);
    const objective = mapObjective(model, batch, {
      tables: own,
      ...(other && { towards: other }),
      lambdaC: other ? task.lambdaC : 0,
      lambdaL: task.lambdaL,
      scaling: task.scaling,
      lossOptions: { ...task.lossOptions?.(number), ...(spent && { spent }) },
    });
    const [result] = await Promise.all([objective, stream.prepare(next)]);
    const gradients = [result.gradients.users, result.gradients.items];
    const gradientNorm =
      task.clipNorm === undefined ? globalNorm(gradients) : clipByGlobalNorm(gradients, task.clipNorm);
    this.checkFinite(name, number, result, gradientNorm);
    const learningRate = task.learningRate(number);
    for (const kind of ["users", "items"] as const) {
      const gradient = result.gradients[kind];
      if (gradient.rows.length > 0) optimiser.update(task.side, kind, gradient, learningRate);
    }
    this.spent.set(name, result.gradients);
    const { state } = this;
    const step = state.step + 1;
    const sum = state.losses[name] ?? [0, 0];
    this.state = {
      ...state,
      ...(left === 1 ? { segment: state.segment + 1, step: 0 } : { step }),
      cursors: { ...state.cursors, [name]: next },
      updates: { ...state.updates, [name]: number + 1 },
      losses: { ...state.losses, [name]: [sum[0]! + result.languageModel, sum[1]! + 1] },
    };
    this.dirty = true;
    this.emit({
      type: "step",
      stage,
      phase,
      task: name,
      round: state.round,
      step,
      steps: step + left - 1,
      update: this.updates,
      objective: result.objective,
      languageModel: result.languageModel,
      mutual: result.mutual,
      prior: result.prior,
      gradientNorm,
      learningRate,
      documents: batch.documents.length,
      targets: result.targets,
      usefulTokens: result.usefulTokens,
      computedTokens: result.computedTokens,
      milliseconds: this.now() - started,
    });
  }

  /** The round counts as done only when what follows it is, so a run killed during validation validates again. */
  private async finishRound({ phase }: Round): Promise<"continue" | "stop" | "interrupted"> {
    const { stage, afterRound, optimiser } = this.options;
    const { round, losses } = this.state;
    const languageModel = Object.fromEntries(Object.entries(losses).map(([name, [sum, n]]) => [name, sum! / n!]));
    this.emit({ type: "round", stage, phase, round, update: this.updates, languageModel });
    this.dirty = true;
    const before = this.state;
    const after: LoopState = { ...before, round: round + 1, segment: 0, step: 0, losses: {} };
    const verdict = await afterRound?.({
      round,
      phase,
      update: this.updates,
      memory: this.memory,
      tables: optimiser.averaged,
      save: async () => {
        this.state = after;
        await this.save();
        this.state = before;
      },
      emit: (event) => this.emit(event),
    });
    if (verdict === "interrupted") return verdict;
    this.state = { ...after, ended: verdict === "stop" };
    if (this.state.ended) this.dirty = true;
    return verdict ?? "continue";
  }

  private checkFinite(name: string, number: number, { objective }: MapObjectiveResult, norm: number): void {
    if (Number.isFinite(objective) && Number.isFinite(norm)) return;
    const { store } = this.options;
    throw new TrainingError(
      `${name}, update ${number}: found an objective of ${objective} with a gradient norm of ${norm}, expected finite numbers; lower the learning rate or clip the gradient.${store ? ` The last checkpoint, ${store.name}, is from before.` : ""}`,
    );
  }

  private async save(): Promise<void> {
    const { store, optimiser, settings, stage } = this.options;
    if (!store) return;
    const started = this.now();
    await store.save({
      state: { settings, loop: { ...this.state }, memory: { ...this.memory } },
      tensors: optimiser.tensors(),
    });
    this.savedAt = this.now();
    this.dirty = false;
    this.emit({
      type: "checkpoint",
      stage,
      file: store.name,
      update: this.updates,
      milliseconds: this.savedAt - started,
    });
  }

  private async resume(): Promise<boolean> {
    const { store, optimiser, settings } = this.options;
    const saved = await store?.load();
    if (!saved || !store) return false;
    const { loop, memory } = parseLoopState(saved.state, settings, this.state, store.name);
    optimiser.restore(saved.tensors, store.name);
    this.state = loop;
    Object.assign(this.memory, memory);
    return true;
  }

  private emit(event: TrainingEvent): void {
    this.options.onEvent?.(event);
  }
}
