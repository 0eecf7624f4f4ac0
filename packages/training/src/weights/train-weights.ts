// Full training: every weight of the language model, and the soft tables with them where there are any, towards one
// loss.
import type { BaseModel, DropoutOptions, TrainableBackbone } from "@cllm4rec/backbone";
import { type Checkpoint, type CheckpointStore, isJsonRecord, type JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import type { EventListener, StopReason } from "../events/events.js";
import { type LearningRate, learningRateRecord } from "../optimiser/schedule.js";
import type { ParameterOptions, Parameters } from "../parameters/parameters.js";
import type { Side, TokenTables } from "../tables/tables.js";
import type { LossBatches } from "../tasks/batch-source.js";
import { mapTask } from "../tasks/map-task.js";
import { train } from "../trainer/train.js";

/** What {@link trainWeights} is given. */
export interface WeightTrainingOptions {
  readonly model: BaseModel<TrainableBackbone>;
  /** What is trained on; `next-word` over plain text is language modelling. */
  readonly task: LossBatches;
  /**
   * `weightParameters` of the model's backbone, and where there are tables `tableParameters` with the prefix `tables.`
   */
  readonly parameters: Parameters;
  /** The tables of soft tokens among the parameters (the paper's LLM-FtAll); absent for plain text. */
  readonly tables?: { readonly tables: TokenTables; readonly side: Side } | undefined;
  /** How many updates in all. */
  readonly updates: number;
  /** By updates from 0; default 1e-3. */
  readonly learningRate?: number | LearningRate | undefined;
  /** Largest global norm of a gradient, weights and tables together; default 1. `null`: no clipping. */
  readonly clipNorm?: number | null | undefined;
  /** What is dropped in an update; default nothing. The seed of the run decides which elements. */
  readonly dropout?: Omit<DropoutOptions, "seed"> | undefined;
  /** An integer from 0 to 2⁵³ − 1; default 0. */
  readonly seed?: number | undefined;
  /** Measures on data that are not trained on; called after every `every` updates and after the last. */
  readonly validate?:
    | {
        readonly every: number;
        /** Metrics by name; the first one counts, and less of it is better. */
        readonly measure: () => Promise<Readonly<Record<string, number>>>;
      }
    | undefined;
  readonly store?: CheckpointStore | undefined;
  /** Seconds between two checkpoints; default 60. One is also saved at the end. 0 saves after every update. */
  readonly saveEverySeconds?: number | undefined;
  /** Ends the run after the current update; the state is saved, and the run can be resumed. */
  readonly stop?: AbortSignal | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Milliseconds; by default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

const PHASE = "language-model";

/**
 * Trains all weights, or what the store's checkpoint has not done: the same bits as a run that was never stopped. The
 * model's weights and tables are changed in place; `model.backbone.save(directory)` writes them for others to load.
 * @returns why it ended, and the number of updates done in all
 * @throws TrainingError as `train` does
 */
export async function trainWeights(
  options: WeightTrainingOptions,
): Promise<{ readonly reason: StopReason; readonly updates: number }> {
  const { model, task, parameters, tables, updates: total, seed = 0, learningRate = 1e-3, clipNorm = 1 } = options;
  const { dropout, validate, store, saveEverySeconds, stop, onEvent, now } = options;
  for (const [name, value] of Object.entries({
    updates: total,
    ...(validate && { "validate.every": validate.every }),
  })) {
    if (!Number.isSafeInteger(value) || value < 1)
      throw new TrainingError(`${name}: found ${value}, expected a positive integer`);
  }
  const settings = record(options);
  const epoch = () => task.batches.steps({ seed, epoch: 0 });
  const { reason, updates } = await train({
    stage: "weights",
    parameters,
    tasks: {
      [task.loss]: mapTask({
        ...task,
        model,
        tables: tables?.tables,
        side: tables?.side ?? "collaborative",
        learningRate,
        clipNorm: clipNorm ?? undefined,
        // Each update drops other elements.
        lossOptions: (update) =>
          dropout ? { dropout: { ...dropout, seed: (seed % 2 ** 20) * 2 ** 32 + update } } : {},
      }),
    },
    rounds(_, { updates: before }) {
      if (before >= total) return undefined;
      const every = validate?.every ?? epoch();
      return {
        phase: PHASE,
        segments: [{ task: task.loss, steps: Math.min(every - (before % every), total - before) }],
      };
    },
    seed,
    settings,
    validation: validate && { better: "lower", measure: async () => ({ metrics: await validate.measure() }) },
    store: store && upgrading(store, task.loss, settings),
    saveEverySeconds,
    stop,
    onEvent,
    now,
  });
  return { reason, updates };
}

/** Everything that decides the bits of a run but the number of updates. */
function record({
  model: { backbone },
  task,
  parameters,
  tables,
  seed = 0,
  learningRate = 1e-3,
  clipNorm = 1,
  dropout,
}: WeightTrainingOptions): JsonRecord {
  const described = Object.entries(parameters.describe());
  const weights = described.filter(([, { weightDecay }]) => weightDecay !== undefined);
  const decaying = weights.filter(([, { weightDecay }]) => weightDecay !== 0);
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8 } = weights[0]?.[1].adam ?? {};
  const decay = decaying[0]?.[1].weightDecay ?? 0;
  const soft = described.find(([, { weightDecay }]) => weightDecay === undefined)?.[1];
  return {
    model: `${backbone.config.modelType}, ${backbone.parameterCount} parameters`,
    loss: task.loss,
    batches: task.batches.identity,
    seed,
    learningRate: learningRateRecord(learningRate),
    optimiser: { beta1, beta2, epsilon, decay: `${decay} on ${decaying.map(([name]) => name).join(" ")}` },
    clipNorm,
    dropout: dropout ? { ...dropout } : null,
    tables:
      tables && soft
        ? {
            side: tables.side,
            learningRate: rateRecord(soft.learningRate ?? learningRate),
            adam: JSON.parse(JSON.stringify(soft.adam ?? {})),
            averageDecay: soft.averageDecay ?? null,
          }
        : null,
  };
}

const rateRecord = (rate: NonNullable<ParameterOptions["learningRate"]>) =>
  typeof rate === "function" ? "a function" : learningRateRecord(rate);

/** Reads states of the version that had a loop of its own for weights: the same run in other words. */
function upgrading(store: CheckpointStore, task: string, settings: JsonRecord): CheckpointStore {
  return {
    name: store.name,
    save: (checkpoint) => store.save(checkpoint),
    async load() {
      const saved = await store.load();
      return saved && "cursor" in saved.state ? upgraded(saved, task, settings) : saved;
    },
  };
}

function upgraded({ state, tensors }: Checkpoint, task: string, settings: JsonRecord): Checkpoint {
  const { cursor = null, updates = null, best = null, settings: found } = state;
  // What that version did not write down of the tables' optimiser.
  const { tables } = settings;
  const then = isJsonRecord(found) && isJsonRecord(found.tables) ? found.tables : null;
  const known = then && {
    ...then,
    adam: {},
    averageDecay: isJsonRecord(tables) ? (tables.averageDecay ?? null) : null,
  };
  const loop = {
    round: 0,
    segment: 0,
    step: 0,
    ended: false,
    cursors: { [task]: cursor },
    updates: { [task]: updates },
    losses: {},
  };
  return {
    state: {
      settings: isJsonRecord(found) ? { ...found, tables: known } : {},
      loop,
      memory: typeof best === "number" ? { best: { epoch: 0, selection: best, metrics: {} } } : {},
    },
    tensors,
  };
}
