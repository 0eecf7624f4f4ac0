// What train, pretrain and finetune share: one table of flags, and the way from them to a run and its report.
import { Command, InvalidArgumentError } from "commander";
import type { CliContext } from "../context.js";
import { Interrupted } from "../errors.js";
import { ENGINE, integerFrom, numberFrom, share, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";
import type { RunConfig, StageName } from "../run/config.js";
import type { TrainOutcome } from "../run/train.js";

type Parse = (text: string) => unknown;

interface Flag {
  readonly flag: string;
  readonly about: string;
  /** The setting in the configuration, `stage.key` for one stage's. */
  readonly place: string;
  readonly parse?: Parse;
}

const positive = integerFrom(1);
const above0 = numberFrom(0, { above: true });
const atLeast0 = numberFrom(0);

const GENERAL: readonly Flag[] = [
  { flag: "--data <dir>", place: "data", about: "a dataset directory that prepare wrote" },
  { flag: "--backbone <dir|hub-id>", place: "backbone", about: "the frozen language model" },
  { flag: "--out <dir>", place: "out", about: "the model directory to write; the same command again goes on in it" },
  { flag: "--seed <n>", place: "seed", parse: integerFrom(0), about: "of everything random (default: 0)" },
  { flag: "--minutes <m>", place: "minutes", parse: above0, about: "time for all stages, validation included" },
  { flag: "--layers <n>", place: "layers", parse: positive, about: "blocks of the backbone in use (default: all)" },
  {
    flag: "--text-share <share>",
    place: "textShare",
    parse: share,
    about: "of the initial embeddings' variance that comes from texts (default: 1 with pretraining on texts, else 0)",
  },
  { flag: "--max-length <tokens>", place: "maxLength", parse: positive, about: "the longest prompt" },
  { flag: ENGINE[0], place: "engine", about: ENGINE[1], parse: ENGINE[2] },
  { flag: THREADS[0], place: "threads", about: THREADS[1], parse: THREADS[2] },
  {
    flag: "--prior-deviation <σ>",
    place: "priorDeviation",
    parse: atLeast0,
    about: "of the initial embeddings (default: a tenth of the vocabulary's)",
  },
  {
    flag: "--save-every <seconds>",
    place: "saveEverySeconds",
    parse: atLeast0,
    about: "between two checkpoints (default: 60)",
  },
  {
    flag: "--report <split>",
    place: "report",
    about: "that report.html measures the model on: test (default), validation, or none for no report",
  },
];

const RATE = "(default: 0.03 of the prior deviation)";

const PRETRAIN: readonly Flag[] = [
  {
    flag: "--texts <kind...>",
    place: "texts",
    about: "reviews, item-texts, user-texts (default: all that there are)",
  },
  {
    flag: "--warm-up-epochs <n>",
    place: "pretrain.warmUpEpochs",
    parse: integerFrom(0),
    about: "over the texts alone (default: 10; 2 with --minutes)",
  },
  {
    flag: "--rounds <n>",
    place: "pretrain.rounds",
    parse: integerFrom(0),
    about: "of L-steps and C-steps (default: 100)",
  },
  { flag: "--pretrain-learning-rate <η>", place: "pretrain.learningRate", parse: above0, about: RATE },
  {
    flag: "--pretrain-lambda-c <λ>",
    place: "pretrain.lambdaC",
    parse: atLeast0,
    about: "mutual regularisation (default: 0.1)",
  },
];

const FINETUNE: readonly Flag[] = [
  { flag: "--epochs <n>", place: "finetune.epochs", parse: positive, about: "of finetuning (default: 100)" },
  { flag: "--batch <users>", place: "finetune.batch", parse: positive, about: "in a batch (default: 128)" },
  { flag: "--learning-rate <η>", place: "finetune.learningRate", parse: above0, about: RATE },
  { flag: "--targets <which>", place: "finetune.targets", about: "held-out (default) or all training items" },
  {
    flag: "--masked-share <p|low-high>",
    place: "finetune.maskedShare",
    parse: maskedShare,
    about: "of a history that is held out (default: 0.2-0.8)",
  },
  { flag: "--user-token", place: "finetune.userToken", about: "the user's own token stands in the prompt" },
  { flag: "--dropout <share>", place: "finetune.dropout", parse: share, about: "on soft tokens (default: 0)" },
  {
    flag: "--lambda-c <λ>",
    place: "finetune.lambdaC",
    parse: atLeast0,
    about: "towards the content tables (default: 0.1)",
  },
  {
    flag: "--average-decay <share>",
    place: "finetune.averageDecay",
    parse: share,
    about: "of the moving average that the model is judged and published by; 0: none (default: 0.999)",
  },
  { flag: "--validate-every <epochs>", place: "finetune.validateEvery", parse: positive, about: "(default: 1)" },
  {
    flag: "--patience <n>",
    place: "finetune.patience",
    parse: positive,
    about: "validations without a new best, then it ends (default: none ends it)",
  },
];

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
  const flags = [
    ...GENERAL,
    ...(stages.includes("pretrain") ? PRETRAIN : []),
    ...(stages.includes("finetune") ? FINETUNE : []),
  ];
  const places = new Map<string, string>();
  for (const { flag, about, place, parse } of flags) {
    const option = command.createOption(flag, about);
    if (parse) option.argParser(parse);
    command.addOption(option);
    places.set(option.attributeName(), place);
  }
  if (stages.length > 1) command.option("--no-pretrain", "finetuning alone, from random embeddings");
  if (spec.name === "finetune") command.option("--from <dir>", "a model that pretrain wrote, to begin with");
  return command
    .option("--config <file.json>", "settings in a file; flags override it")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", help(spec.examples))
    .action(async (given: Flags) => {
      const { readConfig } = await import("../run/config.js");
      const settings = Object.entries(given).flatMap(([name, value]) => {
        const place = places.get(name);
        return place === undefined ? [] : [[place, value] as const];
      });
      const config = readConfig(given.config, Object.fromEntries(settings));
      const chosen = given.pretrain === false ? stages.filter((stage) => stage !== "pretrain") : stages;
      await run(context, config, chosen, given);
    });
}

async function run(context: CliContext, config: RunConfig, stages: readonly StageName[], flags: Flags): Promise<void> {
  const [{ train }, { trainingDisplay }, { lengths }, { reportAfterTraining }] = await Promise.all([
    import("../run/train.js"),
    import("../run/display.js"),
    import("../run/config.js"),
    import("../report/after-training.js"),
  ]);
  const display = new StageDisplay(context.stderr);
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
    const file = await reportAfterTraining(config, stages, { interrupted, signal: context.signal, display });
    if (interrupted) {
      throw new Interrupted(`interrupted: everything is saved in ${config.out}; the same command goes on from there`);
    }
    context.stdout.write(
      flags.json ? `${JSON.stringify(summary(config, outcome, file))}\n` : describe(config, outcome, file),
    );
  } finally {
    display.stop();
  }
}

function summary({ out, seed }: RunConfig, { users, items, stages }: TrainOutcome, report: string | undefined): object {
  const best = stages.finetune?.best;
  return {
    out,
    seed,
    users,
    items,
    ...(best && { epoch: best.epoch, validation: best.metrics }),
    stages,
    ...(report && { report }),
  };
}

const REASONS = {
  finished: "all done",
  early: "no better for long enough",
  time: "time is up; more --minutes go on",
  interrupted: "interrupted",
} as const;

function describe({ out }: RunConfig, { users, items, stages }: TrainOutcome, report: string | undefined): string {
  const lines = [`${out}: ${users} users, ${items} items`];
  for (const [name, { reason, updates, seconds, best }] of Object.entries(stages)) {
    lines.push(
      `  ${name.padEnd(9)} ${updates} updates, ${seconds.toFixed(1)} s; ${name === "pretrain" && reason === "time" ? "its time is up" : REASONS[reason]}`,
    );
    if (!best) continue;
    const metrics = Object.entries(best.metrics).map(([metric, value]) => `${metric} ${value.toFixed(4)}`);
    lines.push(`  best on validation: epoch ${best.epoch + 1}, ${metrics.join(", ")}`);
  }
  if (report) lines.push(`  report: ${report}`);
  lines.push(`Next: cllm4rec evaluate --model ${out}`, "");
  return lines.join("\n");
}

/** `0.5`, or `0.3-0.7` for a share drawn anew for each document. */
function maskedShare(text: string): number | [number, number] {
  const ends = text.split("-").map((part) => (part.trim() === "" ? Number.NaN : Number(part)));
  const [low, high] = ends;
  const good = ends.every((end) => end > 0 && end < 1);
  if (good && low !== undefined && ends.length === 1) return low;
  if (good && low !== undefined && high !== undefined && ends.length === 2 && low <= high) return [low, high];
  throw new InvalidArgumentError("A share between 0 and 1 is expected, or a range such as 0.3-0.7.");
}

function help(examples: readonly string[]): string {
  return `
Further settings, and the same ones, stand in the --config file under their names in the README.

Examples:
${examples.map((example) => `  $ cllm4rec ${example}`).join("\n")}

Ctrl-C ends after the step under way and saves; the same command goes on. Exit codes: 0 done, 1 the data cannot be used,
2 the command line cannot, 129, 130 or 143 interrupted.
`;
}
