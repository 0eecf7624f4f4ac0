// Mutually regularised pretraining (§3.3): content warm-up (Eq. 5), then L-steps (Eq. 7) and C-steps (Eq. 8) in
// alternation.
import { Parameters, type Round, type Task, train } from "@cllm4rec/training";
import { readModel } from "@cllm4rec/training/model";
import {
  copyTables,
  mapTask,
  publishModel,
  recordingConfig,
  stageCheckpoint,
  type TokenTables,
  tableParameters,
  tablesOf,
} from "@cllm4rec/training/stage";
import type { PretrainOptions, PretrainResult } from "./options.js";
import { check, laterEpochs, type Preparation, prepare, STAGE } from "./prepare.js";

/** Tasks by name, and their numbers in the seeds of dropout. */
const STREAM = { "warm-up": 0, "l-step": 1, "c-step": 2 } as const;

/**
 * Trains the collaborative tables on users' items (Eq. 4) and the content tables on texts (Eq. 5), each drawn towards
 * the other. With
 * `output`, a run that was killed or stopped resumes when it is started again with the same settings, to the same bits;
 * a stopped one leaves a model too, whose description says that it is not complete.
 *
 * Without texts it is the paper's LLM-CF: L-steps alone, no regulariser towards content; an event says so.
 * @throws TrainingError for settings that make no sense, a state of other settings, a loss that is not finite, or files
 *   that cannot be written
 */
export async function pretrain(options: PretrainOptions): Promise<PretrainResult> {
  const preparation = await prepare(options);
  const { settings, record } = preparation;
  const { model, texts, output, stop, onEvent, now, afterRound } = options;
  if (!texts) {
    const message = "There are no texts: this is the paper's LLM-CF, which learns from interactions alone.";
    onEvent?.({ type: "notice", stage: STAGE, code: "no-text", message });
  }
  const tables = copyTables(preparation.tables);
  const parameters = new Parameters(tableParameters(tables, model.vocabulary.width, { adam: settings.adam }));
  const warmUp = texts ? settings.warmUpEpochs : 0;
  const { reason, updates, worked } = await train({
    stage: STAGE,
    parameters,
    tasks: tasksOf(options, preparation, tables),
    rounds: (round) => roundOf(round, preparation),
    seed: settings.seed,
    settings: record,
    async afterRound({ round, update, values }) {
      if (round < warmUp || !afterRound) return "continue";
      return afterRound({ round: round - warmUp, update, tables: tablesOf(values) });
    },
    store: output && recordingConfig(stageCheckpoint(output.directory, STAGE), model.backbone),
    saveEverySeconds: settings.saveEverySeconds,
    stop,
    onEvent,
    now,
  });
  // A run that had nothing left to do may have been followed by finetuning in the same directory, whose model is not to
  // be overwritten.
  if (output && (worked || (await awaitsModel(output.directory)))) {
    const { order, maxLength, seed } = settings;
    await publishModel(output, {
      stage: STAGE,
      model,
      tables,
      record: { ...record, complete: reason !== "stopped" },
      prompts: options.prompts,
      recommendation: { userToken: false, order, maxLength, seed },
    });
  }
  return { tables, reason, updates };
}

/**
 * Checks everything that {@link pretrain} would refuse before its first update, but the state in `output`. Writes
 * nothing.
 * @throws TrainingError or CorpusUsageError as `pretrain` does
 */
export function checkPretrain(options: PretrainOptions): void {
  check(options);
}

function tasksOf(
  { model }: PretrainOptions,
  { settings, rates, plans: { users, texts }, dropout }: Preparation,
  tables: TokenTables,
): Record<string, Task> {
  const { lambdaC, lambdaL, scaling, clipNorm, warmUpEpochs } = settings;
  const common = (task: keyof typeof STREAM) => ({
    model,
    tables,
    scaling,
    clipNorm,
    lossOptions: dropout(STREAM[task]),
  });
  const l = mapTask({
    ...common("l-step"),
    side: "collaborative",
    loss: "next-item",
    batches: users,
    lambdaC: texts ? lambdaC : 0,
    lambdaL,
    learningRate: rates.learningRate,
  });
  if (!texts) return { "l-step": l };
  const content = { side: "content", loss: "next-word", learningRate: rates.contentLearningRate } as const;
  return {
    "warm-up": mapTask({ ...common("warm-up"), ...content, batches: texts }),
    "l-step": l,
    "c-step": mapTask({ ...common("c-step"), ...content, lambdaC, batches: laterEpochs(texts, warmUpEpochs) }),
  };
}

function roundOf(round: number, { settings, plans: { texts } }: Preparation): Round | undefined {
  const { warmUpEpochs, rounds, lSteps, cSteps } = settings;
  const warmUp = texts ? warmUpEpochs : 0;
  if (round < warmUp) return { phase: "warm-up", segments: [{ task: "warm-up" }] };
  if (round >= warmUp + rounds) return undefined;
  const segment = (task: string, steps: number | "epoch") => (steps === "epoch" ? { task } : { task, steps });
  return {
    phase: "alternation",
    segments: [segment("l-step", lSteps), ...(texts ? [segment("c-step", cSteps)] : [])],
  };
}

/** Whether there is no model in the directory, or one of a pretraining that was stopped. */
const awaitsModel = (directory: string) =>
  readModel(directory).then(
    ({ description: { stage, settings } }) => stage === STAGE && !isComplete(settings.pretrain),
    () => true,
  );
const isComplete = (record: unknown) =>
  typeof record === "object" && record !== null && "complete" in record && record.complete === true;
