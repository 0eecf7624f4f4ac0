// A training run from configuration to model directory: open everything, run the stages within their time, report.
import path from "node:path";
import {
  Dataset,
  type DocumentSource,
  definePrompts,
  type FeatureBlock,
  type LanguageDocument,
} from "@cllm4rec/corpus";
import { checkFinetune, finetune } from "@cllm4rec/finetune";
import { checkPretrain, pretrain } from "@cllm4rec/pretrain";
import { openTrainedModel, readModelContent, type Serving, type TrainedModel } from "@cllm4rec/recommend";
import {
  type BestModel,
  type EventListener,
  type JsonRecord,
  jsonLinesLog,
  type StopReason,
  tensorBoardLog,
  toAll,
} from "@cllm4rec/training";
import { type ModelContent, textBlocksOf } from "@cllm4rec/training/model";
import type { TokenTables } from "@cllm4rec/training/stage";
import { closing } from "../closing.js";
import { lockDirectory } from "../files/lock.js";
import { refuseForeignFolder } from "../files/target.js";
import { datasetHash, type OpenBackbone, openBackbone } from "../models/workplace.js";
import type { StageDisplay } from "../progress.js";
import { lengths, type RunConfig, type StageName, TEXT_MAP_WIDTH } from "../settings/config.js";
import { BLEND_SHARE } from "./blend.js";
import { StageClock } from "./clock.js";
import { checkRecord, type RunRecord, writeRecord } from "./record.js";
import { type ResolvedConfig, resolveConfig } from "./resolve-config.js";
import { freshTables, refuseOverwriting, refuseShareWithoutTexts, tablesOf } from "./starting-tables.js";
import { checkTexts, documentsOf, itemFeatures, openTokenCaches, textSizes, textsOf } from "./texts.js";

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

/**
 * Runs the stages, or resumes where an earlier call with the same configuration stopped. Nothing is written before all
 * is checked.
 */
export function train(options: TrainOptions): Promise<TrainOutcome> {
  return closing(async (later) => {
    const { stages, from, signal, display } = options;
    const { data, out } = options.config;
    if (from !== undefined) refuseOverwriting(from, out);
    await refuseForeignFolder(out);
    const dataset = await Dataset.open(data);
    later(() => dataset.close());
    const { users, items } = dataset;
    const { backbone, maxLength, layers, method } = options.config;
    const begun = from === undefined ? undefined : await openTrainedModel(from);
    const width = widthOf(options, begun);
    const opened = await openBackbone(
      backbone,
      { users, items, ...(width !== undefined && { width }) },
      { signal, display, maxLength, layers, engine: options.config },
    );
    later(() => opened.dispose());
    const source = { path: path.resolve(data), hash: datasetHash(dataset.manifest) };
    const words = await itemFeatures(dataset);
    const features = method === "text-map" && stages.includes("finetune") ? words : undefined;
    const resolve = (hasTexts: boolean) =>
      resolveConfig({ ...options.config, width }, opened.model.backbone, {
        learnsFromTexts: stages.includes("pretrain") && hasTexts,
        features: features !== undefined,
      });
    const recordOf = (config: ResolvedConfig): RunRecord => ({
      config,
      stages,
      dataset: source,
      backbone: { id: opened.reference, contentHash: opened.model.backbone.contentHash },
      ...(from !== undefined && { from: path.resolve(from) }),
    });
    const { textShare = 0 } = options.config;
    const readsTexts = from !== undefined || textShare > 0 || stages.includes("pretrain");
    const hasTexts = readsTexts && textsOf(dataset, options.config) > 0;
    const expected = await resolve(hasTexts);
    await checkRecord(recordOf(expected));
    if (from === undefined) refuseShareWithoutTexts(expected, hasTexts);
    const earlier = begun && tablesOf(begun, expected, opened, source);
    const material = await materials(expected, dataset, opened, source, words);
    if (hasTexts) checkTexts(expected, stages, dataset, opened);
    checkStages(stages, expected, opened, { ...material, features }, hasTexts);
    later(await lockDirectory(out));
    const caches = readsTexts ? await openTokenCaches(options.config, dataset, opened, options) : [];
    for (const cache of caches) later(() => cache.close());
    const config = caches.length > 0 === hasTexts ? expected : await resolve(caches.length > 0);
    const tables = earlier ?? (await freshTables(config, opened, caches, features));
    await writeRecord(recordOf(config));
    const texts = tables.content ? documentsOf(caches, config, opened) : undefined;
    const logs = [jsonLinesLog(path.join(out, "events.jsonl")), tensorBoardLog(path.join(out, "tensorboard"))];
    for (const log of logs) later(() => log.close());
    const run = new Run(
      { ...options, config, onEvent: toAll(...logs.map((log) => log.write), options.onEvent) },
      opened,
      { ...material, features, texts },
      await StageClock.open(out),
    );
    const outcome = await run.all(tables);
    return { users, items, ...outcome };
  });
}

/** Width of the embeddings: as given, that of the model that the run begins with, or the method's. */
function widthOf({ config, stages }: TrainOptions, begun: TrainedModel | undefined): number | undefined {
  if (config.width !== undefined) return config.width;
  if (begun) return begun.description.sizes.width;
  return config.method === "text-map" && !stages.includes("pretrain") ? TEXT_MAP_WIDTH : undefined;
}

/** Refuses what a later stage would refuse, before the first one begins. Writes nothing. */
function checkStages(
  stages: readonly StageName[],
  config: ResolvedConfig,
  opened: OpenBackbone,
  { train, validation, features }: Omit<Materials, "texts">,
  hasTexts: boolean,
): void {
  const { model, tokenizer } = opened;
  for (const stage of stages) {
    const texts = hasTexts ? textSizes(config, opened) : undefined;
    const common = { model, tokenizer, train, texts };
    if (stage === "pretrain") checkPretrain({ ...pretrainSettings(config), ...common });
    else checkFinetune({ ...finetuneSettings(config), ...common, validation, features });
  }
}

/** What both stages are given. */
interface Materials {
  readonly train: Awaited<ReturnType<Dataset["interactions"]>>;
  readonly validation: Awaited<ReturnType<Dataset["interactions"]>>;
  readonly texts: DocumentSource<LanguageDocument> | undefined;
  /** What a text map reads of the items; absent: there is none. */
  readonly features: readonly FeatureBlock[] | undefined;
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
  words: readonly FeatureBlock[] | undefined,
): Promise<Omit<Materials, "texts" | "features">> {
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
    output: {
      directory: config.out,
      backboneId: opened.reference,
      ...(await readModelContent(dataset)),
      textFeatures: words && textBlocksOf(words),
      settings: {
        serving: { ...serving, recommendation: { ...recommendation, prompts: { ...recommendation.prompts } } },
      },
    },
  };
}

/** What a stage takes of the configuration: its section, with the settings of the whole run. */
function pretrainSettings(config: ResolvedConfig) {
  const { warmUpEpochs, rounds } = lengths(config);
  return { ...config.pretrain, ...runSettingsOf(config), warmUpEpochs, rounds };
}

function finetuneSettings(config: ResolvedConfig) {
  return { ...config.finetune, ...runSettingsOf(config), epochs: lengths(config).epochs };
}

function runSettingsOf({ seed, maxLength, saveEverySeconds, priorDeviation, prompts }: ResolvedConfig) {
  return { seed, maxLength, saveEverySeconds, priorDeviation, prompts: definePrompts(prompts) };
}

class Run {
  constructor(
    private readonly options: TrainOptions & { readonly config: ResolvedConfig },
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
    const { train, texts, output } = this.materials;
    return this.timed("pretrain", budget, (common) =>
      pretrain({ ...common, ...pretrainSettings(config), tables, train, output, texts }),
    );
  }

  private async finetune(tables: TokenTables) {
    const { config, stages } = this.options;
    const spent = stages.includes("pretrain") ? this.clock.seconds("pretrain") : 0;
    const kept = config.method === "text-map" && config.blend === "auto" ? 1 - BLEND_SHARE : 1;
    const budget = config.minutes === undefined ? undefined : 60 * config.minutes * kept - spent;
    const { train, validation, features, texts, output } = this.materials;
    return this.timed("finetune", budget, (common) =>
      finetune({
        ...common,
        ...finetuneSettings(config),
        tables,
        train,
        validation: validation.indices.length > 0 ? validation : undefined,
        output,
        features,
        texts: tables.content && texts,
      }),
    );
  }

  /** Runs a stage until it is finished, its time is up, or the user interrupts. */
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
      // Finetuning may resume with more time; pretraining may not, once finetuning has begun with its tables.
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
