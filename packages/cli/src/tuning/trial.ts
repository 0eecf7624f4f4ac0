// One trial: a training run in a folder of its own, which a longer trial of the same settings resumes.
import path from "node:path";
import { DivergedError, type JsonRecord, type TrainingEvent } from "@cllm4rec/training";
import type { Measured } from "@cllm4rec/training/search";
import { type RunConfig, readConfig } from "../settings/config.js";
import { trainingDisplay } from "../training/display.js";
import { train } from "../training/train.js";
import type { TuneOptions } from "./tune.js";

/**
 * The configuration that a search starts from, with a candidate's settings.
 * @param settings by their place, e.g. `finetune.dropout`
 * @throws UsageError naming `source` and a setting that does not fit
 */
export function trialConfig(
  config: RunConfig,
  settings: JsonRecord,
  { source }: { readonly source?: string | undefined },
): RunConfig {
  const { pretrain, finetune, prompts, ...general } = config;
  const sections = { pretrain, finetune, prompts };
  const flags = Object.entries(sections).flatMap(([section, values]) =>
    Object.entries(values).map(([name, value]) => [`${section}.${name}`, value] as const),
  );
  return readConfig(
    undefined,
    { ...general, ...Object.fromEntries(flags), ...settings },
    { source: source ?? "the settings" },
  );
}

/** `undefined`: it was stopped, and resumes where it was. */
export async function runTrial({
  config,
  stages,
  from,
  inner,
  display,
  number,
  settings,
  epochs,
  stop,
}: Pick<TuneOptions, "config" | "stages" | "from" | "inner" | "display"> & {
  readonly number: number;
  readonly settings: JsonRecord;
  readonly epochs: number;
  readonly stop: AbortSignal;
}): Promise<Measured | undefined> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  const out = path.join(config.out, "trials", String(number));
  const unlimited = { ...config, out, minutes: undefined };
  const lines = trainingDisplay(inner, () => epochs);
  const onEvent = (event: TrainingEvent) => {
    if (event.type === "round" && event.stage === "finetune") display.update((event.round + 1) / epochs);
    lines(event);
  };
  try {
    const { interrupted, stages: outcomes } = await train({
      config: trialConfig(unlimited, { ...settings, "finetune.epochs": epochs }, {}),
      ...{ stages, from, signal: stop, display: inner, onEvent },
    });
    if (interrupted) return undefined;
    const best = outcomes.finetune?.best;
    if (!best) throw new Error(`${out}: was not measured on validation`);
    const { selection, metrics, epoch } = best;
    return { score: selection, details: { metrics: { ...metrics }, epoch: epoch + 1, seconds: seconds() } };
  } catch (error) {
    if (stop.aborted) return undefined;
    if (!(error instanceof DivergedError)) throw error;
    return { score: null, details: { error: error.message, seconds: seconds() } };
  }
}
