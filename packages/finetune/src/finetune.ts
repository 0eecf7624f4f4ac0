// Recommendation-oriented finetuning (§3.4): the rec-step of Eq. 10 on masked histories, and the C-step of Eq. 8 where
// there is text.
import { evaluate } from "@cllm4rec/recommend";
import {
  type BestModel,
  type BestStore,
  Parameters,
  type Task,
  train,
  type Validation,
  type Values,
} from "@cllm4rec/training";
import { readModel, textBlocksOf } from "@cllm4rec/training/model";
import {
  mapTask,
  publishModel,
  recordingConfig,
  stageCheckpoint,
  type TokenTables,
  tableParameters,
  tablesOf,
} from "@cllm4rec/training/stage";
import { z } from "zod";
import type { FinetuneOptions, FinetuneResult } from "./options.js";
import { check, type Preparation, prepare, STAGE } from "./prepare.js";

/**
 * Trains the collaborative tables to predict held-out items from the rest of a user's history (Eq. 9), drawn towards
 * the content tables (Eq. 10). With `output`, the best model and the training state are kept in its directory, and a
 * run that was killed or stopped resumes when it is started again with the same settings, to the same bits.
 *
 * @returns the tables that were best on validation
 * @throws TrainingError for settings that make no sense, a state of other settings, a loss that is not finite, or files
 *   that cannot be written
 */
export async function finetune(options: FinetuneOptions): Promise<FinetuneResult> {
  const preparation = await prepare(options);
  const { settings, record, plans } = preparation;
  const { model, output, stop, onEvent, now } = options;
  notices(options, preparation);
  const { adam, averageDecay, contentSteps, epochs } = settings;
  const { tables } = preparation;
  const parameters = new Parameters(
    tableParameters(tables, model.vocabulary.width, {
      adam,
      averageDecay: averageDecay > 0 ? averageDecay : undefined,
      textMapLearningRate: preparation.rates.textMapLearningRate,
    }),
  );
  const publish = publisher(options, preparation);
  const segments = [
    { task: "rec-step" },
    ...(plans.texts ? [{ task: "c-step", ...(contentSteps === "epoch" ? {} : { steps: contentSteps }) }] : []),
  ];
  const { reason, updates, values, best } = await train({
    stage: STAGE,
    parameters,
    tasks: tasksOf(options, preparation, tables),
    rounds: (round) => (round < epochs ? { phase: "recommendation", segments } : undefined),
    seed: settings.seed,
    settings: record,
    validation: validationOf(options, preparation, publish),
    store: output && recordingConfig(stageCheckpoint(output.directory, STAGE), model.backbone),
    saveEverySeconds: settings.saveEverySeconds,
    stop,
    onEvent,
    now,
  });
  if (!best) await publish(values, undefined);
  // Of a published model the numbers of its file, which training did not have in this form.
  const saved = output && best && preparation.textMap ? (await readModel(output.directory)).tables : undefined;
  return { tables: saved ?? readTables(values, preparation), ...(best && { best }), reason, updates };
}

/**
 * Checks everything that {@link finetune} would refuse before its first update, but the state in `output`. Writes
 * nothing.
 * @throws TrainingError or CorpusUsageError as `finetune` does
 */
export function checkFinetune(options: FinetuneOptions): void {
  check(options);
}

/** What the model reads: with a text map δ + f(x), of the averaged numbers where averages are kept. */
function readTables(values: Values, { textMap }: Pick<Preparation, "textMap">): TokenTables {
  const tables = tablesOf(values);
  return textMap?.apply(tables) ?? tables;
}

function notices({ texts, features, onEvent }: FinetuneOptions, { tables, settings }: Preparation): void {
  const notice = (code: string, message: string) => onEvent?.({ type: "notice", stage: STAGE, code, message });
  if (!tables.content) {
    if (features) return; // what the text map reads is text enough
    notice(
      "no-content",
      "There are no content tables: this is the paper's LLM-CF, which learns from interactions alone.",
    );
  } else if (texts === undefined || settings.contentSteps === 0) {
    notice(
      "content-fixed",
      "No content is learned: the content tables stay as they are, and the collaborative ones are drawn towards them.",
    );
  }
}

function tasksOf(
  { model }: FinetuneOptions,
  { settings, rates, textMap, candidates, plans: { users, texts }, dropout }: Preparation,
  tables: TokenTables,
): Record<string, Task> {
  const { lambdaC, lambdaL, scaling, clipNorm } = settings;
  const recDropout = dropout(0);
  const common = { model, tables, textMap, lambdaC, scaling, clipNorm };
  return {
    "rec-step": mapTask({
      ...common,
      lambdaL,
      side: "collaborative",
      learningRate: rates.learningRate,
      loss: "held-out",
      batches: users,
      lossOptions: (update) => ({ ...recDropout(update), candidates }),
    }),
    ...(texts && {
      "c-step": mapTask({
        ...common,
        side: "content",
        learningRate: rates.contentLearningRate,
        loss: "next-word",
        batches: texts,
        lossOptions: dropout(1),
      }),
    }),
  };
}

function validationOf(
  options: FinetuneOptions,
  preparation: Preparation,
  publish: ReturnType<typeof publisher>,
): Validation | undefined {
  const { model, tokenizer, train: history, validation: heldOut, prompts, output, stop } = options;
  const { settings } = preparation;
  const { epochs, validateEvery, selectBy, patience, userToken, maxLength, order, seed, metrics } = settings;
  if (!heldOut) return undefined;
  return {
    due: (round) => (round + 1) % validateEvery === 0 || round + 1 === epochs,
    select: (found) => selectBy.reduce((sum, name) => sum + found[name]!, 0),
    patience,
    keep: output ? bestInDirectory(output.directory, preparation, publish) : "memory",
    async measure(values) {
      const { collaborative } = readTables(values, preparation);
      const common = {
        model,
        tables: collaborative,
        tokenizer,
        history,
        heldOut,
        userToken,
        maxLength,
        order,
        seed,
        metrics,
      };
      try {
        return await evaluate({ ...common, ...(prompts && { prompts }), ...(stop && { signal: stop }) });
      } catch (error) {
        if (stop?.aborted) return undefined;
        throw error;
      }
    },
  };
}

/** Writes the model into the run's directory, where it has one. */
function publisher({ model, output, prompts, features }: FinetuneOptions, preparation: Preparation) {
  const { record, settings } = preparation;
  const { userToken, order, maxLength, seed } = settings;
  const textFeatures = features ? textBlocksOf(features) : output?.textFeatures;
  return async (values: Values, best: BestModel | undefined): Promise<void> => {
    if (!output) return;
    await publishModel(
      { ...output, textFeatures },
      {
        stage: STAGE,
        model,
        tables: readTables(values, preparation),
        record,
        prompts,
        recommendation: { userToken, order, maxLength, seed },
        more: { best: best ? { epoch: best.epoch, selection: best.selection } : null },
        metrics: best?.metrics,
      },
    );
  };
}

const bestSchema = z.object({ best: z.object({ epoch: z.number(), selection: z.number() }) });

/** The model directory as the place of the best model. */
function bestInDirectory(
  directory: string,
  { textMap }: Preparation,
  publish: ReturnType<typeof publisher>,
): BestStore {
  return {
    name: directory,
    save: publish,
    async load() {
      const model = await readModel(directory).catch(() => undefined);
      const written = bestSchema.safeParse(model?.description.settings);
      if (model?.description.stage !== STAGE || !written.success) return undefined;
      const { width } = model.description.sizes;
      const tables = textMap?.split(model.tables) ?? model.tables;
      const parameters = new Parameters(tableParameters(tables, width));
      return { best: written.data.best, values: parameters.values };
    },
  };
}
