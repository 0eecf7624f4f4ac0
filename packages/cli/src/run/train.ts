// A training run from configuration to model directory: open everything, run the stages within their time, report.
import path from "node:path";
import { Dataset, type DocumentSource, definePrompts, type LanguageDocument } from "@cllm4rec/corpus";
import { type BestModel, finetune } from "@cllm4rec/finetune";
import { pretrain } from "@cllm4rec/pretrain";
import { readModelContent, type Serving } from "@cllm4rec/recommend";
import {
  type EventListener,
  type JsonRecord,
  jsonLinesLog,
  type ModelContent,
  type StopReason,
  type TokenTables,
  tensorBoardLog,
  toAll,
} from "@cllm4rec/training";
import type { StageDisplay } from "../progress.js";
import { StageClock } from "./clock.js";
import { lengths, type RunConfig, type StageName } from "./config.js";
import { lockDirectory } from "./lock.js";
import { writeRecord } from "./record.js";
import { type SettledConfig, settle } from "./scales.js";
import { freshTables, refuseOverwriting, tablesOf } from "./starting-tables.js";
import { documentsOf, openTokenCaches } from "./texts.js";
import { datasetHash, type OpenBackbone, openBackbone } from "./workplace.js";

/** What surrounds a run. */
export interface TrainOptions {
  readonly config: RunConfig;
  readonly stages: readonly StageName[];
  /** A model directory whose tables finetuning begins with, in place of random ones. */
  readonly from?: string | undefined;
  readonly signal: AbortSignal;
  readonly display: StageDisplay;
  readonly onEvent: EventListener;
}

/** How one stage ended. `time`: its share of the time is used up. */
export interface StageOutcome {
  readonly reason: Exclude<StopReason, "stopped"> | "time" | "interrupted";
  readonly updates: number;
  /** Over all sittings. */
  readonly seconds: number;
  /** The best model on validation; finetuning only. */
  readonly best?: BestModel;
}

export interface TrainOutcome {
  readonly users: number;
  readonly items: number;
  readonly interrupted: boolean;
  readonly stages: Partial<Record<StageName, StageOutcome>>;
}

type Closer = () => void | Promise<void>;

/** Runs the stages, or goes on where an earlier call with the same configuration stopped. */
export async function train(options: TrainOptions): Promise<TrainOutcome> {
  const { stages, from, signal, display } = options;
  const { data, out } = options.config;
  if (from !== undefined) refuseOverwriting(from, out);
  const dataset = await Dataset.open(data);
  const closers: Closer[] = [() => dataset.close()];
  try {
    const { users, items } = dataset;
    const { backbone, maxLength, layers } = options.config;
    const opened = await openBackbone(
      backbone,
      { users, items },
      { signal, display, maxLength, layers, engine: options.config },
    );
    closers.push(() => opened.dispose());
    closers.push(await lockDirectory(out));
    const source = { path: path.resolve(data), hash: datasetHash(dataset.manifest) };
    const { textShare = 0 } = options.config;
    const readsTexts = from !== undefined || textShare > 0 || stages.includes("pretrain");
    const caches = readsTexts ? await openTokenCaches(options.config, dataset, opened, options) : [];
    closers.push(...caches.map((cache) => () => cache.close()));
    const config = await settle(options.config, opened.model.backbone, {
      learnsFromTexts: stages.includes("pretrain") && caches.length > 0,
    });
    const tables =
      from === undefined ? await freshTables(config, opened, caches) : await tablesOf(from, config, opened, source);
    const { contentHash } = opened.model.backbone;
    await writeRecord({
      config,
      stages,
      dataset: source,
      backbone: { id: opened.reference, contentHash },
      ...(from !== undefined && { from: path.resolve(from) }),
    });
    const texts = tables.content ? documentsOf(caches, config, opened) : undefined;
    const logs = [jsonLinesLog(path.join(out, "events.jsonl")), tensorBoardLog(path.join(out, "tensorboard"))];
    closers.push(...logs.map((log) => () => log.close()));
    const run = new Run(
      { ...options, config, onEvent: toAll(...logs.map((log) => log.write), options.onEvent) },
      opened,
      await materials(config, dataset, opened, source, texts),
      await StageClock.open(out),
    );
    const outcome = await run.all(tables);
    return { users, items, ...outcome };
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

/** What both stages are given. */
interface Materials {
  readonly train: Awaited<ReturnType<Dataset["interactions"]>>;
  readonly validation: Awaited<ReturnType<Dataset["interactions"]>>;
  readonly texts: DocumentSource<LanguageDocument> | undefined;
  readonly output: ModelContent & {
    readonly directory: string;
    readonly backboneId: string;
    readonly settings: JsonRecord;
  };
}

async function materials(
  config: RunConfig,
  dataset: Dataset,
  opened: OpenBackbone,
  source: NonNullable<Serving["dataset"]>,
  texts: DocumentSource<LanguageDocument> | undefined,
): Promise<Materials> {
  const { seed, prompts, finetune: settings, maxLength, layers } = config;
  const serving: Serving = {
    dataset: source,
    tokenizer: opened.tokenizerHash,
    layers: layers ?? null,
    recommendation: {
      userToken: settings.userToken,
      order: settings.order,
      maxLength: maxLength ?? null,
      seed,
      prompts,
    },
  };
  const { recommendation } = serving;
  return {
    train: await dataset.interactions("train"),
    validation: await dataset.interactions("validation"),
    texts,
    output: {
      directory: config.out,
      backboneId: opened.reference,
      ...(await readModelContent(dataset)),
      settings: {
        serving: { ...serving, recommendation: { ...recommendation, prompts: { ...recommendation.prompts } } },
      },
    },
  };
}

class Run {
  constructor(
    private readonly options: TrainOptions & { readonly config: SettledConfig },
    private readonly opened: OpenBackbone,
    private readonly materials: Materials,
    private readonly clock: StageClock,
  ) {}

  async all(initial: TokenTables): Promise<Pick<TrainOutcome, "interrupted" | "stages">> {
    const outcomes: Partial<Record<StageName, StageOutcome>> = {};
    let tables = initial;
    for (const stage of this.options.stages) {
      const result = await (stage === "pretrain" ? this.pretrain(tables) : this.finetune(tables));
      tables = result.tables;
      outcomes[stage] = result.outcome;
      if (result.outcome.reason === "interrupted") return { interrupted: true, stages: outcomes };
    }
    return { interrupted: false, stages: outcomes };
  }

  private async pretrain(tables: TokenTables) {
    const { config, stages } = this.options;
    const { minutes, pretrainShare } = config;
    const budget = minutes === undefined ? undefined : 60 * minutes * (stages.length > 1 ? pretrainShare : 1);
    const { warmUpEpochs, rounds } = lengths(config);
    const { train, texts, output } = this.materials;
    return this.timed("pretrain", budget, (common) =>
      pretrain({
        ...common,
        ...this.stageSettings("pretrain"),
        tables,
        train,
        output,
        warmUpEpochs,
        rounds,
        ...(texts && { texts }),
      }),
    );
  }

  private async finetune(tables: TokenTables) {
    const { config, stages } = this.options;
    const spent = stages.includes("pretrain") ? this.clock.seconds("pretrain") : 0;
    const budget = config.minutes === undefined ? undefined : 60 * config.minutes - spent;
    const { targets, maskedShare, userToken, averageDecay, contentSteps, validateEvery, patience } = config.finetune;
    const { train, validation, texts, output } = this.materials;
    return this.timed("finetune", budget, (common) =>
      finetune({
        ...common,
        ...this.stageSettings("finetune"),
        tables,
        train,
        ...(validation.indices.length > 0 && { validation }),
        output,
        epochs: lengths(config).epochs,
        targets,
        maskedShare,
        userToken,
        averageDecay,
        contentSteps,
        validateEvery,
        ...(patience !== undefined && { patience }),
        ...(texts && tables.content && { texts }),
      }),
    );
  }

  /** Settings that both stages know by the same names. */
  private stageSettings(stage: StageName) {
    const { config } = this.options;
    const { learningRate, contentLearningRate, adam, clipNorm, lambdaC, lambdaL, scaling, order } = config[stage];
    const { dropout, backboneDropout } = config[stage];
    return {
      seed: config.seed,
      batch: { documents: config[stage].batch },
      textBatch: { tokens: config[stage].textTokens },
      learningRate,
      contentLearningRate,
      adam,
      lambdaC,
      lambdaL,
      scaling,
      order,
      dropout,
      backboneDropout,
      saveEverySeconds: config.saveEverySeconds,
      prompts: definePrompts(config.prompts),
      ...(clipNorm !== undefined && { clipNorm }),
      ...(config.maxLength !== undefined && { maxLength: config.maxLength }),
    };
  }

  /** Runs a stage until it ends by itself, its time is up, or the user interrupts. */
  private async timed<
    R extends {
      readonly tables: TokenTables;
      readonly reason: StopReason;
      readonly updates: number;
      readonly best?: BestModel;
    },
  >(
    stage: StageName,
    budget: number | undefined,
    work: (common: {
      model: OpenBackbone["model"];
      tokenizer: OpenBackbone["tokenizer"];
      stop: AbortSignal;
      onEvent: EventListener;
    }) => Promise<R>,
  ): Promise<{ readonly tables: TokenTables; readonly outcome: StageOutcome }> {
    const { clock, opened } = this;
    const { signal, onEvent } = this.options;
    const before = clock.seconds(stage);
    const started = performance.now();
    const elapsed = () => before + (performance.now() - started) / 1000;
    const timeIsUp = new AbortController();
    const left = clock.isOver(stage) ? 0 : budget === undefined ? undefined : budget - before;
    if (left !== undefined && left <= 0) timeIsUp.abort();
    // Timers take at most 2³¹ − 1 ms, 24 days.
    const timer =
      left !== undefined && left > 0
        ? setTimeout(() => timeIsUp.abort(), Math.min(left * 1000, 2 ** 31 - 1))
        : undefined;
    let worked = false;
    let writing = Promise.resolve();
    try {
      const result = await work({
        model: opened.model,
        tokenizer: opened.tokenizer,
        stop: AbortSignal.any([signal, timeIsUp.signal]),
        onEvent: (event) => {
          if (event.type === "step") worked = true;
          if (event.type === "checkpoint" && worked) {
            clock.set(stage, elapsed());
            // The next stage's start waits for it, and reports what went wrong.
            writing = writing.then(() => clock.save());
            writing.catch(() => undefined);
          }
          onEvent(event);
        },
      });
      const interrupted = result.reason === "stopped" && signal.aborted;
      const outOfTime = result.reason === "stopped" && !interrupted;
      await writing;
      // Finetuning may go on with more time; pretraining may not, once finetuning has begun with its tables.
      clock.set(stage, worked ? elapsed() : before, clock.isOver(stage) || (stage === "pretrain" && outOfTime));
      await clock.save();
      return {
        tables: result.tables,
        outcome: {
          reason: interrupted ? "interrupted" : result.reason === "stopped" ? "time" : result.reason,
          updates: result.updates,
          seconds: clock.seconds(stage),
          ...(result.best && { best: result.best }),
        },
      };
    } finally {
      clearTimeout(timer);
    }
  }
}
