// cllm4rec config: the settings that a training command would run with.
import { Argument, Command } from "commander";
import type { CliContext } from "../context.js";
import { readOpenConfig, STAGES } from "../settings/config.js";
import { effectiveSettings, TRAINING_COMMANDS, type TrainingCommandName } from "../settings/effective.js";
import { addTrainingFlags, settingsByPlace } from "./training-flags.js";

interface Flags {
  readonly config?: string;
  readonly [name: string]: unknown;
}

const HELP = `
Prints JSON for --config. Settings whose default depends on the data or the backbone are left out, so that they are
still chosen for each run; standard error lists them, with the rule for each.

Examples:
  $ cllm4rec config --print > run.json
  $ cllm4rec config train --method paper --print
  $ cllm4rec config finetune --config run.json --learning-rate 2e-3 --print

Exit codes: 0 done, 2 the command line or the --config file cannot be used.
`;

/** The `config` command. */
export function configCommand(context: CliContext): Command {
  const command = new Command("config")
    .description("Print the settings of a training command: flags and file over the defaults.")
    .addArgument(new Argument("[command]", "whose settings").choices(TRAINING_COMMANDS).default("train"));
  const places = addTrainingFlags(command, STAGES);
  return command
    .optionsGroup("Other options:")
    .option("--config <file.json>", "settings in a file; flags override it")
    .option("--print", "print the settings; the command always does, with or without this flag")
    .option("--json", "no effect: the output is always JSON")
    .addHelpText("after", HELP)
    .action((name: TrainingCommandName, flags: Flags) => {
      const config = readOpenConfig(flags.config, settingsByPlace(flags, places), { command: name });
      const { settings, open } = effectiveSettings(name, config);
      if (context.verbosity !== "quiet") {
        const rules = Object.entries(open).map(([place, rule]) => `  ${place}: ${rule}\n`);
        context.stderr.write(`chosen when the run begins:\n${rules.join("")}`);
      }
      context.stdout.write(`${JSON.stringify(settings, null, 2)}\n`);
    });
}
