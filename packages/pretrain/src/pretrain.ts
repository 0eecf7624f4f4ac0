// Mutually regularised pretraining (§3.3): content warm-up (Eq. 5), then L-steps (Eq. 7) and C-steps (Eq. 8) in alternation.
import type { LanguageDocument } from "@cllm4rec/corpus";
import {
  type BatchSource,
  contentOf,
  copyTables,
  type JsonRecord,
  type ModelDescription,
  type Round,
  readModel,
  runLoop,
  schedule,
  stageCheckpoint,
  TableOptimiser,
  type Task,
  type TokenTables,
  writeModel,
} from "@cllm4rec/training";
import type { PretrainOptions, PretrainResult } from "./options.js";
import { batchPlans, complete, type Plans, record, type Settings } from "./settings.js";

const STAGE = "pretrain";
/** The order of the tasks decides their streams of random numbers. */
const STREAM = { "warm-up": 0, "l-step": 1, "c-step": 2 } as const;

/**
 * Trains the collaborative tables on users' items (Eq. 4) and the content tables on texts (Eq. 5), each drawn towards the other. With
 * `output`, a run that was killed or stopped goes on when it is started again with the same settings, to the same bits; a stopped one
 * leaves a model too, which says of itself that it is not complete.
 *
 * Without texts it is the paper's LLM-CF: L-steps alone, no regulariser towards content; an event says so.
 * @throws TrainingError for settings that make no sense, a state of other settings, a loss that is not finite, or files that cannot be written
 */
export async function pretrain(options: PretrainOptions): Promise<PretrainResult> {
  const settings = complete(options);
  const { model, texts, output, seed, stop, onEvent, now, saveEverySeconds, afterRound } = settings;
  const plans = batchPlans(settings);
  const { collaborative } = settings.tables;
  const initial = texts ? settings.tables : { collaborative };
  if (!texts) {
    const message = "There are no texts: this is the paper's LLM-CF, which learns from interactions alone.";
    onEvent?.({ type: "notice", stage: STAGE, code: "no-text", message });
  }
  const optimiser = new TableOptimiser(copyTables(initial), model.vocabulary.width, { adam: settings.adam });
  const said = record(settings, plans, initial);
  const warmUp = texts ? settings.warmUpEpochs : 0;
  let begunAt = 0;
  const { reason, updates } = await runLoop({
    stage: STAGE,
    model,
    optimiser,
    tasks: tasksOf(settings, plans),
    rounds: (round) => roundOf(round, settings, plans),
    seed,
    settings: said,
    async afterRound({ round, update, tables }) {
      return round < warmUp || !afterRound ? "continue" : afterRound({ round: round - warmUp, update, tables });
    },
    ...(output && { store: stageCheckpoint(output.directory, STAGE) }),
    ...(saveEverySeconds !== undefined && { saveEverySeconds }),
    ...(stop && { stop }),
    onEvent: (event) => {
      if (event.type === "run-started") begunAt = event.update;
      onEvent?.(event);
    },
    ...(now && { now }),
  });
  const { tables } = optimiser;
  // A run that had nothing left to do may have been followed by finetuning in the same directory, whose model is not to be overwritten.
  const isNew = output && (updates > begunAt || (await awaitsModel(output.directory)));
  if (isNew) await publish(settings, output, { ...said, complete: reason !== "stopped" }, tables);
  return { tables, reason, updates };
}

function tasksOf(settings: Settings, { interactions, texts }: Plans): Record<string, Task> {
  const { lambdaC, lambdaL, scaling, clipNorm, learningRate, contentLearningRate, warmUpEpochs } = settings;
  const common = (task: keyof typeof STREAM) => ({
    scaling,
    lossOptions: dropoutOf(settings, STREAM[task]),
    ...(clipNorm !== undefined && { clipNorm }),
  });
  const l: Task = {
    ...common("l-step"),
    side: "collaborative",
    loss: "next-item",
    batches: interactions,
    lambdaC: texts ? lambdaC : 0,
    lambdaL,
    learningRate: schedule(learningRate),
  };
  if (!texts) return { "l-step": l };
  const content = {
    side: "content",
    loss: "next-word",
    lambdaL: 0,
    learningRate: schedule(contentLearningRate),
  } as const;
  return {
    "warm-up": { ...common("warm-up"), ...content, lambdaC: 0, batches: texts },
    "l-step": l,
    "c-step": { ...common("c-step"), ...content, lambdaC, batches: laterEpochs(texts, warmUpEpochs) },
  };
}

function roundOf(
  round: number,
  { warmUpEpochs, rounds, lSteps, cSteps }: Settings,
  { texts }: Plans,
): Round | undefined {
  const warmUp = texts ? warmUpEpochs : 0;
  if (round < warmUp) return { phase: "warm-up", segments: [{ task: "warm-up" }] };
  if (round >= warmUp + rounds) return undefined;
  const segment = (task: string, steps: number | "epoch") => (steps === "epoch" ? { task } : { task, steps });
  return {
    phase: "alternation",
    segments: [segment("l-step", lSteps), ...(texts ? [segment("c-step", cSteps)] : [])],
  };
}

/** The same batches `offset` epochs on, so that the alternation does not repeat the order of the warm-up. */
function laterEpochs(plan: BatchSource<LanguageDocument>, offset: number): BatchSource<LanguageDocument> {
  return {
    identity: `${plan.identity} from epoch ${offset}`,
    steps: ({ seed, epoch }) => plan.steps({ seed, epoch: epoch + offset }),
    batch(state) {
      const { documents, next } = plan.batch({ ...state, epoch: state.epoch + offset });
      return { documents, next: { ...next, epoch: next.epoch - offset } };
    },
  };
}

/** 19 bits of the run's seed, two of the task, and the update: a different mask for every update, the same one when it is repeated. */
function dropoutOf({ seed, dropout, backboneDropout }: Settings, stream: number) {
  const folded = ((seed >>> 0) ^ Math.floor(seed / 2 ** 32)) & 0x7ffff;
  return (update: number) =>
    dropout === 0 && !backboneDropout
      ? {}
      : { dropout: { seed: (folded * 4 + stream) * 2 ** 32 + update, softTokens: dropout, backbone: backboneDropout } };
}

/** Whether there is no model in the directory, or one of a pretraining that was stopped. */
const awaitsModel = (directory: string) =>
  readModel(directory).then(
    ({ description: { stage, settings } }) => stage === STAGE && !isComplete(settings.pretrain),
    () => true,
  );
const isComplete = (said: unknown) =>
  typeof said === "object" && said !== null && "complete" in said && said.complete === true;

async function publish(
  { model, prompts }: Settings,
  output: NonNullable<Settings["output"]>,
  said: JsonRecord,
  tables: TokenTables,
): Promise<void> {
  const { words, users, items, width } = model.vocabulary;
  const json: ModelDescription["settings"] = JSON.parse(
    JSON.stringify({ ...output.settings, pretrain: said, prompts: prompts ?? null }),
  );
  await writeModel(output.directory, {
    description: {
      format: "cllm4rec-model",
      version: 1,
      backbone: { id: output.backboneId, contentHash: model.backbone.contentHash },
      sizes: { words, users, items, width },
      stage: STAGE,
      settings: json,
    },
    tables,
    ...contentOf(output),
  });
}
