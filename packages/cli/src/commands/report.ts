// cllm4rec report: the HTML page of a run.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import type { HeldOutSplit, HistoryChoice } from "../evaluation/protocol.js";
import { ENGINE, historyOption, NO_BLEND, splitOption, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  readonly model: string;
  readonly split?: HeldOutSplit;
  readonly history: HistoryChoice;
  readonly out?: string;
  readonly data?: string;
  readonly backbone?: string;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly evaluate: boolean;
  readonly blend: boolean;
  readonly json?: boolean;
}

const HELP = `
Writes one file, without scripts or external resources: learning curves, metrics with 95% intervals and those of
popularity, item KNN, content KNN and (up to 2,500 items) EASE on the same split, settings, sizes, times, and sample
recommendations. train, pretrain and finetune write it when they end.

Examples:
  $ cllm4rec report --model model
  $ cllm4rec report --model model --split validation --out validation.html
  $ cllm4rec report --model model --no-evaluate

Exit codes: 0 done, 1 the run or its data cannot be used, 2 wrong usage, 129, 130 or 143 interrupted.
`;

/** The `report` command. */
export function reportCommand(context: CliContext): Command {
  return new Command("report")
    .description(
      "Write one HTML page about a run: curves, metrics against simple recommenders, samples, settings, times.",
    )
    .requiredOption("--model <dir>", "a model directory that train wrote")
    .addOption(splitOption("the split to evaluate (default: test if the dataset has it)"))
    .addOption(historyOption())
    .option("--out <file>", "the page to write (default: report.html in the model directory)")
    .option("--data <dir>", "where the dataset is now, if it was moved")
    .option("--backbone <dir|hub-id>", "where the backbone is now, if it was moved")
    .option(...NO_BLEND)
    .option(...ENGINE)
    .option(...THREADS)
    .option("--no-evaluate", "curves, settings and sizes only, in a moment and without the backbone")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const { writeReport } = await import("../report/report.js");
      const { json, engine = "cpu", threads, ...options } = flags;
      const display = new StageDisplay(context.stderr, context.verbosity);
      const { file, split, history, measurement } = await writeReport({
        ...options,
        engine: { engine, threads },
        signal: context.signal,
        display,
      });
      const printed = {
        file,
        ...(measurement && {
          split,
          history,
          users: measurement.users,
          metrics: measurement.model.metrics,
          baselines: measurement.baselines.map(({ name, metrics }) => ({ name, metrics })),
        }),
      };
      context.stdout.write(json ? `${JSON.stringify(printed)}\n` : `${file}\n`);
    });
}
