// cllm4rec tune: settings that are better on validation, by training runs of growing length.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { Interrupted, UsageError } from "../errors.js";
import { integerFrom } from "../options.js";
import { StageDisplay } from "../progress.js";
import { type RunConfig, readConfig, STAGES } from "../settings/config.js";
import { stagesOf } from "../settings/effective.js";
import type { TuneOutcome } from "../tuning/tune.js";
import { addTrainingFlags, settingsByPlace } from "./training-flags.js";

interface Flags {
  readonly config?: string;
  readonly from?: string;
  readonly space?: string;
  readonly trials?: number;
  readonly rungs: number;
  readonly json?: boolean;
  readonly [name: string]: unknown;
}

const HELP = `
Successive halving: every candidate is trained for a few epochs, the best third of them for three times as many, and so
on up to --epochs. Candidate 0 has the settings of the flags and the --config file; the others differ in the settings of
the space, drawn by --seed. They are compared by their metrics on validation; the test items are not used. --out holds
the trials (search.json, trials.csv), the best settings (best.json), and the models of the trials (trials/), which you
may delete afterwards. The same command again resumes, and with more --trials or --minutes it searches further.

--minutes limits the whole search, resumed runs included; without --trials it tries candidates until the time is up.
A --space file lists settings by their path, with the values that each may take:
  {
    "finetune.dropout": [0, 0.1, 0.2],
    "finetune.lambdaL": { "low": 0.01, "high": 1, "scale": "log" },
    "finetune.learningRate": { "timesDefault": [0.2, 5] }
  }

Examples:
  $ cllm4rec tune --data beauty --backbone gpt2 --out tuning --epochs 27 --trials 9
  $ cllm4rec tune --data beauty --backbone gpt2 --out tuning --minutes 120 --space space.json
  $ cllm4rec train --config tuning/best.json --out model

Exit codes: 0 done, also where time was up; 1 the data cannot be used, 2 the command line cannot, 129, 130 or 143
interrupted.
`;

/** The `tune` command. */
export function tuneCommand(context: CliContext): Command {
  const command = new Command("tune").description("Search for settings that are better on validation.");
  const places = addTrainingFlags(command, STAGES);
  return command
    .optionsGroup("Search:")
    .option("--trials <n>", "candidates to try (default: 9; with --minutes, as many as time allows)", integerFrom(1))
    .option("--rungs <n>", "steps from few epochs to --epochs, each with three times as many", integerFrom(1, 10), 3)
    .option("--space <file.json>", "what is searched (default: learning rates, dropout, batch, masked share, a λ)")
    .optionsGroup("Other options:")
    .option("--from <dir>", "every trial starts from this model, which pretrain wrote")
    .option("--config <file.json>", "the settings to start from in a file; flags override it")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const { from, space, trials: candidates, rungs, json } = flags;
      const name = from === undefined ? "train" : "finetune";
      const config = readConfig(flags.config, settingsByPlace(flags, places), { command: name });
      if (from !== undefined && config.method === "text-map") {
        throw new UsageError(
          "--from starts from a pretrained model, but the method text-map does not pretrain; give --method paper",
        );
      }
      const { tune } = await import("../tuning/tune.js");
      const { stderr, verbosity, signal } = context;
      const display = new StageDisplay(stderr, verbosity);
      const inner = new StageDisplay(stderr, verbosity === "verbose" ? "verbose" : "quiet");
      try {
        const outcome = await tune({
          ...{ config, stages: stagesOf(name, config), from, space, candidates, rungs, signal, display, inner },
        });
        if (outcome.interrupted) {
          throw new Interrupted(`interrupted: the trials are in ${config.out}; run the same command to resume`);
        }
        const { trialsText } = await import("../tuning/trials-table.js");
        context.stdout.write(
          json
            ? `${JSON.stringify(summary(config, outcome))}\n`
            : describe(config, outcome, trialsText(outcome.trials)),
        );
      } finally {
        display.stop();
      }
    });
}

function summary({ out }: RunConfig, { trials, complete, best, start, file }: TuneOutcome): object {
  return { out, complete, trials: trials.length, ...(best && { best, config: file }), ...(start && { start }) };
}

function describe({ out }: RunConfig, outcome: TuneOutcome, table: string): string {
  const { trials, complete, best, start, file } = outcome;
  const lines = [`${out}: ${trials.length} trials${complete ? "" : "; time is up, raise --minutes to search further"}`];
  if (!best) return `${lines[0]}\nNo candidate could be trained and measured; ${out}/trials.csv says why.\n`;
  lines.push(table.trimEnd());
  const gain = start?.score != null ? best.score! - start.score : undefined;
  if (best.candidate === 0) lines.push("Nothing is better than the settings that the search started from.");
  else if (gain !== undefined)
    lines.push(
      `The best is ${gain.toFixed(4)} above the settings that the search started from (${start!.budget} epochs).`,
    );
  lines.push(`Next: cllm4rec train --config ${file} --out model`, "");
  return lines.join("\n");
}
