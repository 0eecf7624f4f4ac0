// Best on validation: measures after rounds, remembers and publishes the best model so far, and ends a run that gets no
// better.
import type { TensorData } from "@cllm4rec/backbone";
import { z } from "zod";
import type { Checkpoint, CheckpointStore, Json, JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import type { RoundContext, Values } from "./round.js";

/** A validated state of the model. */
export interface BestModel {
  /** The round, from 0. */
  readonly epoch: number;
  /** What the model was chosen by. */
  readonly selection: number;
  readonly metrics: Readonly<Record<string, number>>;
}

/** Where the best model is published, so that a run that resumes finds it again. */
export interface BestStore {
  /** What a person would look for: the directory. */
  readonly name: string;
  /** Replaces what was published, wholly or not at all. */
  save(values: Values, best: BestModel): Promise<void>;
  /** What was published last, or `undefined`. */
  load(): Promise<{ readonly values: Values; readonly best: Pick<BestModel, "epoch" | "selection"> } | undefined>;
}

/** How a run is validated. */
export interface Validation {
  /** Whether to measure after this round, from 0; default always. */
  readonly due?: (round: number) => boolean;
  /**
   * Metrics of the model on data that are not trained on, and of how many users. `undefined`: the run's `stop` came
   * first; it is measured when the run resumes.
   */
  readonly measure: (
    values: Values,
  ) => Promise<{ readonly metrics: Readonly<Record<string, number>>; readonly users?: number } | undefined>;
  /** What the best model is chosen by; default: the first metric. */
  readonly select?: (metrics: Readonly<Record<string, number>>) => number;
  /** Default `higher`. */
  readonly better?: "higher" | "lower";
  /** Validations without a new best after which the run ends; default: none ends it. */
  readonly patience?: number | undefined;
  /**
   * Where the best model is kept: a store, which a run that resumes needs; in memory; or (default) nowhere, and events
   * tell it.
   */
  readonly keep?: BestStore | "memory";
}

const memorySchema = z.object({
  best: z.object({ epoch: z.number(), selection: z.number(), metrics: z.record(z.string(), z.number()) }).optional(),
  /** Validations since the best. */
  waited: z.number().optional(),
});

/** What a run remembers of its validations, kept as JSON in its memory. */
export class Selection {
  /** The best model's values, where they are kept. */
  values: Values | undefined;

  constructor(
    private readonly stage: string,
    private readonly validation: Validation,
    private readonly memory: Record<string, Json>,
    private readonly now: () => number,
  ) {}

  get best(): BestModel | undefined {
    return this.remembered().best;
  }

  private remembered(): z.infer<typeof memorySchema> {
    const parsed = memorySchema.safeParse(this.memory);
    if (!parsed.success) throw new TrainingError("what the run remembers of its best model is damaged");
    return parsed.data;
  }

  async afterRound({
    round,
    update,
    memory,
    values,
    save,
    emit,
  }: RoundContext): Promise<"continue" | "stop" | "interrupted"> {
    const { due, measure, select, better = "higher", patience, keep } = this.validation;
    if (due && !due(round)) return "continue";
    const started = this.now();
    const measured = await measure(values);
    if (!measured) return "interrupted";
    const { metrics, users = 0 } = measured;
    const selection = select ? select(metrics) : (Object.values(metrics)[0] ?? Number.NaN);
    const { best, waited = 0 } = this.remembered();
    const isBest =
      !Number.isNaN(selection) &&
      (best === undefined || (better === "higher" ? selection > best.selection : selection < best.selection));
    emit({
      type: "validation",
      stage: this.stage,
      round,
      update,
      users,
      metrics,
      selection,
      best: isBest,
      milliseconds: this.now() - started,
    });
    memory.waited = isBest ? 0 : waited + 1;
    if (!isBest) return patience !== undefined && waited + 1 >= patience ? "stop" : "continue";
    const found = { epoch: round, selection, metrics: { ...metrics } };
    memory.best = found;
    if (keep === undefined) return "continue";
    this.values = copyValues(values);
    // State first: a kill between the two leaves a state whose values are the best ones, from which `restore` publishes
    // them.
    await save();
    if (keep !== "memory") await keep.save(values, found);
    return "continue";
  }

  /**
   * Finds the best model of a run that resumes: where it was published, or in a state saved just before that was done.
   * @param saved the state that the run resumes from, whose memory this object has
   * @param valuesIn what to publish, as that state has it
   */
  async restore({ state }: Checkpoint, store: CheckpointStore, valuesIn: () => Values): Promise<void> {
    const { keep } = this.validation;
    const { best } = this.remembered();
    if (!best || keep === undefined || keep === "memory") return;
    const published = await keep.load();
    if (published?.best.epoch === best.epoch && published.best.selection === best.selection) {
      this.values = published.values;
      return;
    }
    const loop = z.object({ round: z.number(), segment: z.number(), step: z.number() }).safeParse(state.loop);
    if (!loop.success || loop.data.round !== best.epoch + 1 || loop.data.segment !== 0 || loop.data.step !== 0) {
      const missing = `the best model (epoch ${best.epoch}) that ${store.name} refers to is not there`;
      throw new TrainingError(
        `${keep.name}: ${missing}; restore what was published there, or start again in another folder`,
      );
    }
    this.values = valuesIn();
    await keep.save(this.values, best);
  }
}

/** Publishes the best values as a checkpoint: for models that are no embedding tables. */
export function bestCheckpoint(store: CheckpointStore): BestStore {
  const bestSchema = z.object({ epoch: z.number(), selection: z.number() });
  return {
    name: store.name,
    save: (values, best) => store.save({ state: { best: { ...best } } satisfies JsonRecord, tensors: values }),
    async load() {
      const saved = await store.load();
      const best = bestSchema.safeParse(saved?.state.best);
      if (!saved || !best.success) return undefined;
      const values = Object.entries(saved.tensors).flatMap(([name, { shape, data }]) =>
        data instanceof Float32Array ? [[name, { shape, data }] as const] : [],
      );
      return { best: best.data, values: Object.fromEntries(values) };
    },
  };
}

function copyValues(values: Values): Values {
  const copy = ({ shape, data }: TensorData<Float32Array>) => ({ shape, data: data.slice() });
  return Object.fromEntries(Object.entries(values).map(([name, tensor]) => [name, copy(tensor)]));
}
