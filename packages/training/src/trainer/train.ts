// The trainer: rounds of tasks over named parameters, an optimiser update for each batch, saved and resumed to the same
// bits.
import type { CheckpointStore, Json, JsonRecord } from "../checkpoint/checkpoint.js";
import { DivergedError, TrainingError } from "../error.js";
import type { EventListener, StopReason, TrainingEvent } from "../events/events.js";
import { clipByGlobalNorm, globalNorm } from "../gradients/row-gradients.js";
import { type Schedule, toSchedule } from "../optimiser/schedule.js";
import { asRows, type Parameters } from "../parameters/parameters.js";
import type { Task, TaskResult } from "../tasks/task.js";
import { BatchStream } from "./batch-stream.js";
import type { Round, RoundContext, Values } from "./round.js";
import { type BestModel, Selection, type Validation } from "./selection.js";
import { type LoopState, parseLoopState } from "./state.js";

/** What a run is: parameters, tasks, and the order of its updates. */
export interface TrainOptions {
  /** The run's name in events. */
  readonly stage: string;
  readonly parameters: Parameters;
  readonly tasks: Readonly<Record<string, Task>>;
  /**
   * The rounds of the run; `undefined` ends it. A function of the round, from 0, and of the updates of all tasks before
   * it, so that it says the same again when a run resumes.
   */
  readonly rounds: (round: number, before: { readonly updates: number }) => Round | undefined;
  /** An integer from 0 to 2⁵³ − 1; default 0. */
  readonly seed?: number;
  /** Everything that decides the bits of the run; a checkpoint of a run with other settings is refused. */
  readonly settings: JsonRecord;
  /** How the best model is found; absent: the last one is the result. */
  readonly validation?: Validation | undefined;
  /**
   * After each round, and after its validation. May keep its own JSON in `memory`, which is saved. `interrupted`: it is
   * done again on resuming.
   */
  readonly afterRound?: ((context: RoundContext) => Promise<"continue" | "stop" | "interrupted">) | undefined;
  readonly memory?: Record<string, Json>;
  readonly store?: CheckpointStore | undefined;
  /** Seconds between two checkpoints; default 60. One is also saved at the end. 0 saves after every update. */
  readonly saveEverySeconds?: number | undefined;
  /** Ends the run after the current update; the state is saved, and the run can be resumed. */
  readonly stop?: AbortSignal | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Milliseconds; by default `performance.now`. Nothing but timings and the moments of checkpoints depends on it. */
  readonly now?: (() => number) | undefined;
}

/** How a run ended. */
export interface TrainResult {
  readonly reason: StopReason;
  /** Updates in all, those of earlier sittings included. */
  readonly updates: number;
  /** The best model's values where they are kept, else the last ones (moving averages where there are any). */
  readonly values: Values;
  /** Absent without validation, or where the run was stopped before the first. */
  readonly best?: BestModel;
  /** Whether this call did any update. */
  readonly worked: boolean;
}

/**
 * Runs all rounds, or those that the store's checkpoint has not done: the same bits as a run that was never stopped.
 * @throws DivergedError for a loss that is not finite
 * @throws TrainingError for a checkpoint of other settings, or one that cannot be written
 *   (what was saved before is untouched)
 */
export async function train(options: TrainOptions): Promise<TrainResult> {
  return new Trainer(options).run();
}

class Trainer {
  private readonly now: () => number;
  private readonly memory: Record<string, Json>;
  private readonly selection: Selection | undefined;
  private readonly streams: ReadonlyMap<string, BatchStream>;
  private readonly rates: ReadonlyMap<string, Schedule>;
  private state: LoopState;
  private savedAt = 0;
  private dirty = false;

  constructor(private readonly options: TrainOptions) {
    const { tasks, seed = 0, stage, validation, saveEverySeconds = 60 } = options;
    if (!(saveEverySeconds >= 0))
      throw new TrainingError(`saveEverySeconds: found ${saveEverySeconds}, expected a number of at least 0`);
    for (const [name, { clipNorm }] of Object.entries(tasks)) {
      if (clipNorm !== undefined && !(clipNorm > 0))
        throw new TrainingError(`clipNorm of ${name}: found ${clipNorm}, expected a number above 0`);
    }
    this.now = options.now ?? (() => performance.now());
    this.memory = options.memory ?? {};
    this.selection = validation && new Selection(stage, validation, this.memory, this.now);
    this.streams = new Map(Object.entries(tasks).map(([name, task]) => [name, new BatchStream(task)]));
    this.rates = new Map(Object.entries(tasks).map(([name, { learningRate }]) => [name, toSchedule(learningRate)]));
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

  async run(): Promise<TrainResult> {
    const { store, stop, stage, saveEverySeconds = 60, parameters } = this.options;
    const resumed = await this.resume();
    const before = this.updates;
    this.emit({ type: "run-started", stage, update: before, ...(resumed && store && { resumedFrom: store.name }) });
    this.savedAt = this.now();
    let reason: StopReason = this.state.ended ? "early" : "finished";
    while (!this.state.ended) {
      if (stop?.aborted) {
        reason = "stopped";
        break;
      }
      const round = this.round();
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
    const best = this.selection?.best;
    return {
      reason,
      updates: this.updates,
      values: this.selection?.values ?? parameters.averaged,
      ...(best && { best }),
      worked: this.updates > before,
    };
  }

  private get updates(): number {
    return Object.values(this.state.updates).reduce((sum, n) => sum + n, 0);
  }

  /** The current round, from the updates before it. */
  private round(): Round | undefined {
    const { round, losses } = this.state;
    const within = Object.values(losses).reduce((sum, [, steps]) => sum + steps!, 0);
    return this.options.rounds(round, { updates: this.updates - within });
  }

  private async update({ phase }: Round, { task: name, steps }: Round["segments"][number]): Promise<void> {
    const { stage, tasks, parameters } = this.options;
    const task = tasks[name];
    const stream = this.streams.get(name);
    const cursor = this.state.cursors[name];
    const rate = this.rates.get(name);
    if (!task || !cursor || !stream || !rate)
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
    const left = steps === undefined ? task.steps(cursor) - cursor.step : steps - this.state.step;
    const batch = stream.at(cursor);
    const [result] = await Promise.all([batch.compute({ update: number }), stream.prepare(batch.next)]);
    const { gradients } = result;
    const penalty = parameters.regularise(gradients);
    const terms = { ...result.terms, ...(penalty !== 0 && { l2: penalty }) };
    const objective = Object.values(terms).reduce((sum, term) => sum + term, result.loss);
    const all = Object.values(gradients).map(asRows);
    const gradientNorm = task.clipNorm === undefined ? globalNorm(all) : clipByGlobalNorm(all, task.clipNorm);
    this.checkFinite(name, number, result, objective, gradientNorm);
    const learningRate = rate(number);
    parameters.update(gradients, learningRate, number);
    const { state } = this;
    const step = state.step + 1;
    const sum = state.losses[name] ?? [0, 0];
    this.state = {
      ...state,
      ...(left === 1 ? { segment: state.segment + 1, step: 0 } : { step }),
      cursors: { ...state.cursors, [name]: batch.next },
      updates: { ...state.updates, [name]: number + 1 },
      losses: { ...state.losses, [name]: [sum[0]! + result.loss, sum[1]! + 1] },
    };
    this.dirty = true;
    const { mutual = 0, prior = 0, ...others } = terms as Readonly<Record<string, number>>;
    this.emit({
      type: "step",
      stage,
      phase,
      task: name,
      round: state.round,
      step,
      steps: step + left - 1,
      update: this.updates,
      objective,
      languageModel: result.loss,
      mutual,
      prior,
      ...(Object.keys(others).length > 0 && { terms: others }),
      gradientNorm,
      learningRate,
      documents: batch.documents,
      targets: result.targets ?? 0,
      usefulTokens: result.usefulTokens ?? 0,
      computedTokens: result.computedTokens ?? 0,
      milliseconds: this.now() - started,
    });
  }

  /** The round counts as done only when what follows it is, so a run killed during validation validates again. */
  private async finishRound({ phase }: Round): Promise<"continue" | "stop" | "interrupted"> {
    const { stage, afterRound, parameters } = this.options;
    const { round, losses } = this.state;
    const languageModel = Object.fromEntries(Object.entries(losses).map(([name, [sum, n]]) => [name, sum! / n!]));
    this.emit({ type: "round", stage, phase, round, update: this.updates, languageModel });
    this.dirty = true;
    const before = this.state;
    const after: LoopState = { ...before, round: round + 1, segment: 0, step: 0, losses: {} };
    const context: RoundContext = {
      round,
      phase,
      update: this.updates,
      memory: this.memory,
      values: parameters.averaged,
      save: async () => {
        this.state = after;
        await this.save();
        this.state = before;
      },
      emit: (event) => this.emit(event),
    };
    let verdict = (await this.selection?.afterRound(context)) ?? "continue";
    if (verdict === "continue" && afterRound) verdict = await afterRound(context);
    if (verdict === "interrupted") return verdict;
    this.state = { ...after, ended: verdict === "stop" };
    if (this.state.ended) this.dirty = true;
    return verdict;
  }

  private checkFinite(name: string, number: number, { terms }: TaskResult, objective: number, norm: number): void {
    if (Number.isFinite(objective) && Number.isFinite(norm)) return;
    const { store, tasks, parameters } = this.options;
    const which = Object.keys(tasks).length > 1 ? `${name}, ` : "";
    const place = parameters.firstNotFinite();
    const advice = `${place ? `${place}; ` : ""}lower the learning rate or clip the gradient`;
    const saved = store ? ` The last checkpoint, ${store.name}, is from before.` : "";
    const found = `found ${terms ? "an objective" : "a loss"} of ${objective} with a gradient norm of ${norm}`;
    throw new DivergedError(`${which}update ${number}: ${found}, expected finite numbers; ${advice}.${saved}`);
  }

  private async save(): Promise<void> {
    const { store, parameters, settings, stage } = this.options;
    if (!store) return;
    const started = this.now();
    await store.save({
      state: { settings, loop: { ...this.state }, memory: { ...this.memory } },
      tensors: parameters.tensors(),
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
    const { store, parameters, settings } = this.options;
    const saved = await store?.load();
    if (!saved || !store) return false;
    const parsed = parseLoopState(saved.state, settings, this.state, store.name);
    if (!parsed) return false;
    parameters.restore(saved.tensors, store.name);
    this.state = parsed.loop;
    Object.assign(this.memory, parsed.memory);
    await this.selection?.restore(saved, store, () => parameters.averagedIn(saved.tensors, store.name));
    return true;
  }

  private emit(event: TrainingEvent): void {
    this.options.onEvent?.(event);
  }
}
