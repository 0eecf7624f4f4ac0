// Recommendation-oriented finetuning (§3.4): the rec-step of Eq. 10 on masked histories, the C-step of Eq. 8 beside it where there is text.
import type { TensorData } from "@cllm4rec/backbone";
import { evaluate } from "@cllm4rec/recommend";
import {
  type CheckpointStore,
  contentOf,
  copyTables,
  type Json,
  type JsonRecord,
  type RoundContext,
  readModel,
  runLoop,
  schedule,
  stageCheckpoint,
  TableOptimiser,
  type Task,
  type TokenTables,
  TrainingError,
  writeModel,
} from "@cllm4rec/training";
import { z } from "zod";
import type { BestModel, FinetuneOptions, FinetuneResult } from "./options.js";
import { batchPlans, complete, record, type Settings } from "./settings.js";

const STAGE = "finetune";

const memorySchema = z.object({
  best: z.object({ epoch: z.number(), selection: z.number(), metrics: z.record(z.string(), z.number()) }).optional(),
  /** Validations since the best. */
  waited: z.number().optional(),
});

/**
 * Trains the collaborative tables to predict held-out items from the rest of a user's history (Eq. 9), drawn towards the content tables
 * (Eq. 10). With `output`, the best model and the training state are kept in its directory, and a run that was killed or stopped
 * goes on when it is started again with the same settings, to the same bits.
 *
 * @returns the tables that were best on validation
 * @throws TrainingError for settings that make no sense, a state of other settings, a loss that is not finite, or files that cannot be written
 */
export async function finetune(options: FinetuneOptions): Promise<FinetuneResult> {
  return new Finetuning(complete(options)).run();
}

class Finetuning {
  private readonly plans: ReturnType<typeof batchPlans>;
  private readonly record: JsonRecord;
  private readonly optimiser: TableOptimiser;
  private readonly memory: Record<string, Json> = {};
  private readonly store: CheckpointStore | undefined;
  private bestTables: TokenTables | undefined;

  constructor(private readonly settings: Settings) {
    const { model, tables, output } = settings;
    this.plans = batchPlans(settings);
    this.record = record(settings, this.plans);
    const { adam, averageDecay } = settings;
    this.optimiser = new TableOptimiser(copyTables(tables), model.vocabulary.width, {
      adam,
      ...(averageDecay > 0 && { averageDecay }),
    });
    this.store = output && stageCheckpoint(output.directory, STAGE);
  }

  async run(): Promise<FinetuneResult> {
    const { settings, store, plans, memory } = this;
    const { stop, onEvent, now, saveEverySeconds, epochs, tables, texts } = settings;
    this.notices(tables, texts !== undefined && settings.contentSteps !== 0);
    await this.restoreBest();
    const { content } = plans;
    const segments = [
      { task: "rec-step" },
      ...(content
        ? [{ task: "c-step", ...(settings.contentSteps === "epoch" ? {} : { steps: settings.contentSteps }) }]
        : []),
    ];
    const { reason, updates } = await runLoop({
      stage: STAGE,
      model: settings.model,
      optimiser: this.optimiser,
      tasks: this.tasks(),
      rounds: (round) => (round < epochs ? { phase: "recommendation", segments } : undefined),
      seed: settings.seed,
      settings: this.record,
      memory,
      afterRound: (context) => this.afterEpoch(context),
      ...(store && { store }),
      ...(saveEverySeconds !== undefined && { saveEverySeconds }),
      ...(stop && { stop }),
      ...(onEvent && { onEvent }),
      ...(now && { now }),
    });
    const { best } = this.remembered();
    if (!best) await this.publish(this.optimiser.averaged, undefined);
    return { tables: this.bestTables ?? this.optimiser.averaged, ...(best && { best }), reason, updates };
  }

  private notices(tables: TokenTables, hasTexts: boolean): void {
    const notice = (code: string, message: string) =>
      this.settings.onEvent?.({ type: "notice", stage: STAGE, code, message });
    if (!tables.content) {
      notice(
        "no-content",
        "There are no content tables: this is the paper's LLM-CF, which learns from interactions alone.",
      );
    } else if (!hasTexts) {
      notice(
        "content-fixed",
        "No content is learned: the content tables stay as they are, and the collaborative ones are drawn towards them.",
      );
    }
  }

  private tasks(): Record<string, Task> {
    const { lambdaC, lambdaL, scaling, clipNorm, dropout, backboneDropout, seed } = this.settings;
    const { learningRate, contentLearningRate } = this.settings;
    const common = {
      lambdaC,
      scaling,
      ...(clipNorm !== undefined && { clipNorm }),
    };
    const dropped = (stream: number) => (update: number) =>
      dropout === 0 && !backboneDropout
        ? {}
        : { dropout: { seed: dropoutSeed(seed, stream, update), softTokens: dropout, backbone: backboneDropout } };
    const { rec, content } = this.plans;
    return {
      "rec-step": {
        ...common,
        lambdaL,
        side: "collaborative",
        learningRate: schedule(learningRate),
        loss: "held-out",
        batches: rec,
        lossOptions: dropped(0),
      },
      ...(content && {
        "c-step": {
          ...common,
          lambdaL: 0,
          side: "content",
          learningRate: schedule(contentLearningRate),
          loss: "next-word",
          batches: content,
          lossOptions: dropped(1),
        },
      }),
    };
  }

  private async afterEpoch({ round, update, memory, tables, save, emit }: RoundContext) {
    const { settings } = this;
    const { validation, now = () => performance.now(), selectBy, patience } = settings;
    const last = round + 1 === settings.epochs;
    if (!validation || ((round + 1) % settings.validateEvery !== 0 && !last)) return "continue";
    const started = now();
    const validated = await this.validate(tables, validation);
    if (!validated) return "interrupted";
    const { metrics, users } = validated;
    const selection = selectBy.reduce((sum, name) => sum + metrics[name]!, 0);
    const { best, waited = 0 } = this.remembered();
    const isBest = best === undefined || selection > best.selection;
    emit({
      type: "validation",
      stage: STAGE,
      round,
      update,
      users,
      metrics,
      selection,
      best: isBest,
      milliseconds: now() - started,
    });
    memory.waited = isBest ? 0 : waited + 1;
    if (isBest) {
      memory.best = { epoch: round, selection, metrics: { ...metrics } };
      this.bestTables = copyTables(tables);
      // State first: a kill between the two leaves a state whose tables are the best ones, from which restoreBest writes the model.
      await save();
      await this.publish(tables, { epoch: round, selection, metrics });
      return "continue";
    }
    return patience !== undefined && waited + 1 >= patience ? "stop" : "continue";
  }

  /** `undefined` where `stop` came before the end. */
  private async validate(tables: TokenTables, heldOut: NonNullable<Settings["validation"]>) {
    const { model, tokenizer, train, userToken, prompts, maxLength, order, seed, metrics, stop } = this.settings;
    try {
      return await evaluate({
        model,
        tables: tables.collaborative,
        tokenizer,
        history: train,
        heldOut,
        userToken,
        maxLength,
        order,
        seed,
        metrics,
        ...(prompts && { prompts }),
        ...(stop && { signal: stop }),
      });
    } catch (error) {
      if (stop?.aborted) return undefined;
      throw error;
    }
  }

  private remembered(): { readonly best?: BestModel | undefined; readonly waited?: number | undefined } {
    const parsed = memorySchema.safeParse(this.memory);
    if (!parsed.success)
      throw new TrainingError(`${this.store?.name}: what the run remembers of its best model is damaged`);
    return parsed.data;
  }

  /** Finds the tables of the best model of a run that is resumed: in the model directory, or in a state saved just before that was written. */
  private async restoreBest(): Promise<void> {
    const { output } = this.settings;
    const saved = await this.store?.load();
    const parsed = memorySchema.safeParse(saved?.state.memory);
    if (!saved || !output || !parsed.success || !parsed.data.best) return;
    const { best } = parsed.data;
    const model = await readModel(output.directory).catch(() => undefined);
    const written = z
      .object({ best: z.object({ epoch: z.number(), selection: z.number() }) })
      .safeParse(model?.description.settings);
    if (model?.description.stage === STAGE && written.success && same(written.data.best, best)) {
      this.bestTables = model.tables;
      return;
    }
    const loop = z.object({ round: z.number(), segment: z.number(), step: z.number() }).safeParse(saved.state.loop);
    if (!loop.success || loop.data.round !== best.epoch + 1 || loop.data.segment !== 0 || loop.data.step !== 0) {
      throw new TrainingError(
        `${output.directory}: the best model (epoch ${best.epoch}) that ${this.store?.name} speaks of is not there; restore embeddings.safetensors, or begin anew in another folder`,
      );
    }
    const tables = copyTables(this.settings.tables);
    for (const [side, soft] of Object.entries(tables)) {
      for (const kind of ["users", "items"] as const) {
        const name = `${side}.${kind}`;
        copyInto(soft[kind].data, saved.tensors[`${name}.average`] ?? saved.tensors[name]);
      }
    }
    this.bestTables = tables;
    await this.publish(tables, best);
  }

  private async publish(tables: TokenTables, best: BestModel | undefined): Promise<void> {
    const { settings } = this;
    const { output, model, prompts } = settings;
    if (!output) return;
    const { words, users, items, width } = model.vocabulary;
    await writeModel(output.directory, {
      description: {
        format: "cllm4rec-model",
        version: 1,
        backbone: { id: output.backboneId, contentHash: model.backbone.contentHash },
        sizes: { words, users, items, width },
        stage: STAGE,
        settings: {
          ...mutable(output.settings ?? {}),
          finetune: mutable(this.record),
          prompts: prompts ? { ...prompts } : null,
          best: best ? { epoch: best.epoch, selection: best.selection } : null,
        },
        ...(best && { metrics: { ...best.metrics } }),
      },
      tables,
      ...contentOf(output),
    });
  }
}

const same = (a: { epoch: number; selection: number }, b: { epoch: number; selection: number }) =>
  a.epoch === b.epoch && a.selection === b.selection;

function copyInto(target: Float32Array, source: TensorData | undefined): void {
  if (!(source?.data instanceof Float32Array) || source.data.length !== target.length) {
    throw new TrainingError(
      "the training state's tables do not have the size of this run's; use the folder that belongs to the data",
    );
  }
  target.set(source.data);
}

/** 20 bits of the run's seed, one of the task, and the update: a different mask for every update, the same one when it is repeated. */
function dropoutSeed(seed: number, stream: number, update: number): number {
  const folded = ((seed >>> 0) ^ Math.floor(seed / 2 ** 32)) & 0xfffff;
  return (folded * 2 + stream) * 2 ** 32 + update;
}

/** The same JSON, typed as the writer of descriptions wants it. */
function mutable(json: { readonly [key: string]: Json }): Record<string, z.core.util.JSONType> {
  return z.record(z.string(), z.json()).parse(json);
}
