// The search for settings: training runs of growing length, chosen by their metrics on validation.
import fs from "node:fs";
import path from "node:path";
import { sampleCandidates, searchBudgets, successiveHalving, type Trial, trialFile } from "@cllm4rec/training/search";
import { closing } from "../closing.js";
import { lockDirectory } from "../files/lock.js";
import { refuseOccupiedFolder } from "../files/target.js";
import { writeWhole } from "../files/whole-file.js";
import type { StageDisplay } from "../progress.js";
import { lengths, type RunConfig, type StageName } from "../settings/config.js";
import { effectiveSettings } from "../settings/effective.js";
import { prepareSearch } from "./prepare-search.js";
import { runTrial, trialConfig } from "./trial.js";
import { metricsOf, secondsOf, settingsText, trialsCsv } from "./trials-table.js";

/** Of a rung, one candidate in this many is trained further. */
const REDUCTION = 3;
const CANDIDATES = 9;

export interface TuneOptions {
  /** What the search starts from; its `out` is the search's folder, and its `minutes` limit the whole search. */
  readonly config: RunConfig;
  readonly stages: readonly StageName[];
  /** A model directory whose tables every trial begins with. */
  readonly from?: string | undefined;
  /** A file with the settings to search and their ranges. */
  readonly space?: string | undefined;
  /** Absent: 9, and where `minutes` are given twice as many again and again, while there is time. */
  readonly candidates?: number | undefined;
  readonly rungs: number;
  readonly signal: AbortSignal;
  /** Shows the search. */
  readonly display: StageDisplay;
  /** Shows what the trials say themselves. */
  readonly inner: StageDisplay;
}

export interface TuneOutcome {
  readonly trials: readonly Trial[];
  readonly best: Trial | undefined;
  /** The settings that the search starts from, with the most training that they had. */
  readonly start: Trial | undefined;
  /** `false`: time was up, or the user interrupted. */
  readonly complete: boolean;
  /** Whether the user interrupted. */
  readonly interrupted: boolean;
  /** The configuration with the best settings, where there is one. */
  readonly file: string | undefined;
}

/**
 * Searches, or resumes the search in the folder. Nothing is written before all is checked. The test items decide
 * nothing: the trials' models store them as part of their users' histories, as every model does.
 * @throws UsageError for a space that does not fit the settings, a dataset without validation items, or a folder with
 *   other files in it; TrainingError where another search is in it
 */
export function tune(options: TuneOptions): Promise<TuneOutcome> {
  return closing(async (later) => {
    const { config, space: spaceFile, candidates: wanted, signal, display } = options;
    const { out, seed, minutes } = config;
    const { space, identity } = await prepareSearch(options);
    const store = trialFile(path.join(out, "search.json"), identity);
    if (!fs.existsSync(path.join(out, "search.json"))) await refuseOccupiedFolder(out);
    let trials: readonly Trial[] = await store.load();
    const candidatesOf = (count: number) => sampleCandidates(space, { seed, count });
    for (const { settings } of candidatesOf(wanted ?? CANDIDATES)) trialConfig(config, settings, { source: spaceFile });
    await store.save(trials);
    later(await lockDirectory(out));

    const limit = timeLimit(minutes, trials);
    later(limit.cancel);
    const stop = AbortSignal.any([signal, limit.signal]);
    const { epochs: largest } = lengths({ ...config, minutes: undefined });
    const budgets = searchBudgets({ largest, reduction: REDUCTION, rungs: options.rungs });
    let highest = Math.max(...trials.map(({ score }) => score ?? -Infinity));
    let complete = false;
    let tried = 0;
    for (let count = wanted ?? CANDIDATES; ; count *= 2) {
      const candidates = candidatesOf(count);
      if (candidates.length === tried) break;
      tried = candidates.length;
      ({ trials, complete } = await successiveHalving({
        candidates,
        budgets,
        reduction: REDUCTION,
        trials,
        async evaluate({ number, settings }, epochs) {
          if (stop.aborted) return undefined;
          const length = epochs === 1 ? "1 epoch" : `${epochs} epochs`;
          display.start(`candidate ${number}, ${length}: ${settingsText(settings)}`);
          return runTrial({ ...options, number, settings, epochs, stop });
        },
        onTrial(trial, all) {
          const { score } = trial;
          const isBest = score !== null && score > highest;
          if (isBest) highest = score;
          display.say(`  ${metricsOf(trial)}, ${secondsOf(trial).toFixed(1)} s${isBest ? " (best so far)" : ""}`);
          return store.save(all);
        },
      }));
      // The smaller search is a part of the larger one: its trials are not made again.
      if (!complete || wanted !== undefined || minutes === undefined) break;
    }
    display.stop();
    return { ...(await conclude(options, trials)), trials, complete, interrupted: signal.aborted };
  });
}

/** Writes the best settings and the table of trials. */
async function conclude({ config, from }: TuneOptions, trials: readonly Trial[]) {
  const scored = trials.filter(({ score }) => score !== null);
  const [best] = [...scored].sort((a, b) => b.score! - a.score!);
  const start = scored.filter(({ candidate }) => candidate === 0).at(-1);
  await writeWhole(path.join(config.out, "trials.csv"), trialsCsv(trials));
  if (!best) return { best, start, file: undefined };
  const file = path.join(config.out, "best.json");
  const chosen = trialConfig(config, { ...best.settings, "finetune.epochs": best.budget }, {});
  const { out: _, minutes: __, ...rest } = chosen;
  const { settings } = effectiveSettings(from === undefined ? "train" : "finetune", rest);
  await writeWhole(file, `${JSON.stringify(settings, null, 2)}\n`);
  return { best, start, file };
}

/** Ends with what is left of `minutes`, the time of earlier trials taken off; no limit where there are none. */
function timeLimit(minutes: number | undefined, earlier: readonly Trial[]) {
  const timeIsUp = new AbortController();
  const { signal } = timeIsUp;
  if (minutes === undefined) return { signal, cancel: () => undefined };
  const left = 60 * minutes - earlier.reduce((sum, trial) => sum + secondsOf(trial), 0);
  if (left <= 0) timeIsUp.abort();
  // Timers take at most 2³¹ − 1 ms, 24 days.
  const timer = setTimeout(() => timeIsUp.abort(), Math.min(1000 * Math.max(0, left), 2 ** 31 - 1));
  return { signal, cancel: () => clearTimeout(timer) };
}
