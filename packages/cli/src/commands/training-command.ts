// What train, pretrain and finetune share: from flags and configuration to a run and its report.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { Interrupted } from "../errors.js";
import { StageDisplay } from "../progress.js";
import { lengths, type RunConfig, readConfig, type StageName } from "../settings/config.js";
import type { Blended } from "../training/blend.js";
import type { TrainOutcome } from "../training/train.js";
import { addTrainingFlags, settingsByPlace } from "./training-flags.js";

/** One of the training commands. */
export interface TrainingCommand {
  readonly name: string;
  readonly description: string;
  readonly examples: readonly string[];
}

interface Flags {
  readonly config?: string;
  readonly from?: string;
  readonly pretrain?: boolean;
  readonly json?: boolean;
  readonly [name: string]: unknown;
}

/** Builds the command; what it runs is loaded when it runs. */
export function trainingCommand(context: CliContext, stages: readonly StageName[], spec: TrainingCommand): Command {
  const command = new Command(spec.name).description(spec.description);
  const places = addTrainingFlags(command, stages);
  command.optionsGroup("Other options:");
  if (stages.length > 1) command.option("--no-pretrain", "finetuning only, from random embeddings");
  if (spec.name === "finetune") command.option("--from <dir>", "start from a model that pretrain wrote");
  return command
    .option("--config <file.json>", "settings in a file; flags override it")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", help(spec.examples))
    .action(async (given: Flags) => {
      const config = readConfig(given.config, settingsByPlace(given, places), { command: spec.name });
      const alone = given.pretrain === false || (spec.name === "train" && config.method === "text-map");
      const chosen = alone ? stages.filter((stage) => stage !== "pretrain") : stages;
      await run(context, config, chosen, given);
    });
}

async function run(context: CliContext, config: RunConfig, stages: readonly StageName[], flags: Flags): Promise<void> {
  const [{ train }, { trainingDisplay }, { blendAfterTraining }, { reportAfterTraining }] = await Promise.all([
    import("../training/train.js"),
    import("../training/display.js"),
    import("../training/blend.js"),
    import("../report/after-training.js"),
  ]);
  const display = new StageDisplay(context.stderr, context.verbosity);
  const { warmUpEpochs, epochs } = lengths(config);
  // No total for the alternation, whose rounds are counted on from the warm-up's, if there is one.
  const counts: Readonly<Record<string, number>> = { "warm-up": warmUpEpochs, recommendation: epochs };
  const total = (phase: string) => {
    const count = counts[phase];
    return count === Number.MAX_SAFE_INTEGER ? undefined : count;
  };
  try {
    const outcome = await train({
      config,
      stages,
      from: flags.from,
      signal: context.signal,
      display,
      onEvent: trainingDisplay(display, total),
    });
    display.stop();
    const { interrupted } = outcome;
    const blended = await blendAfterTraining(config, outcome, { signal: context.signal, display });
    const file = await reportAfterTraining(config, stages, { interrupted, signal: context.signal, display });
    if (interrupted) {
      throw new Interrupted(`interrupted: everything is saved in ${config.out}; run the same command to resume`);
    }
    context.stdout.write(
      flags.json
        ? `${JSON.stringify(summary(config, outcome, blended, file))}\n`
        : describe(config, outcome, blended, file),
    );
  } finally {
    display.stop();
  }
}

function summary(
  { out, seed }: RunConfig,
  { users, items, stages }: TrainOutcome,
  blended: Blended | undefined,
  report: string | undefined,
): object {
  const best = stages.finetune?.best;
  return {
    out,
    seed,
    users,
    items,
    ...(best && { epoch: best.epoch, validation: best.metrics }),
    stages,
    ...(blended && { blend: { validation: blended.metrics, members: blended.members } }),
    ...(report && { report }),
  };
}

/** What was chosen, and what it is worth. */
function describeBlend({ stored, members, metrics }: Blended): string {
  if (!stored) return "blend     none: the model alone is best on validation";
  const used = members.filter(({ weight }) => weight > 0).map(({ name, weight }) => `${weight.toFixed(2)} × ${name}`);
  const values = Object.entries(metrics).map(([metric, value]) => `${metric} ${value.toFixed(4)}`);
  return `blend     ${used.join(" + ")}; on validation: ${values.join(", ")}`;
}

const REASONS = {
  finished: "all done",
  early: "stopped early: no improvement on validation",
  time: "time is up; raise --minutes to resume",
  interrupted: "interrupted",
} as const;

function describe(
  { out }: RunConfig,
  { users, items, stages }: TrainOutcome,
  blended: Blended | undefined,
  report: string | undefined,
): string {
  const lines = [`${out}: ${users} users, ${items} items`];
  for (const [name, { reason, updates, seconds, best }] of Object.entries(stages)) {
    lines.push(
      `  ${name.padEnd(9)} ${updates} updates, ${seconds.toFixed(1)} s; ` +
        `${name === "pretrain" && reason === "time" ? "its time is up" : REASONS[reason]}`,
    );
    if (!best) continue;
    const metrics = Object.entries(best.metrics).map(([metric, value]) => `${metric} ${value.toFixed(4)}`);
    lines.push(`  best on validation: epoch ${best.epoch + 1}, ${metrics.join(", ")}`);
  }
  if (blended) lines.push(`  ${describeBlend(blended)}`);
  if (report) lines.push(`  report: ${report}`);
  lines.push(`Next: cllm4rec evaluate --model ${out}`, "");
  return lines.join("\n");
}

function help(examples: readonly string[]): string {
  return `
The --config file has the same settings under their names in the README, and those that are objects: adam, prompts,
learning rates with warm-up and decay.

Examples:
${examples.map((example) => `  $ cllm4rec ${example}`).join("\n")}

Ctrl-C finishes the current step and saves; run the same command to resume. Exit codes: 0 done, 1 the data cannot be
used, 2 wrong usage, 129, 130 or 143 interrupted.
`;
}
