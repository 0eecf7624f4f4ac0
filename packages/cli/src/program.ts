// The one place where commands are wired together. A new command: a file in commands/ and an entry here.
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };
import type { CliContext } from "./context.js";
import { filled, nameUnknownOptionsFirst } from "./help.js";
import { verbosityOptions } from "./verbosity.js";

interface Entry {
  readonly name: string;
  /** The line in the list of commands. */
  readonly summary: string;
  /**
   * The command itself; loaded only when it is the one that is called, so that help and mistakes are answered at once.
   */
  readonly load: () => Promise<(context: CliContext) => Command>;
}

const COMMANDS: readonly Entry[] = [
  {
    name: "prepare",
    summary: "raw files → a split dataset directory",
    load: async () => (await import("./commands/prepare.js")).prepareCommand,
  },
  {
    name: "train",
    summary: "dataset and backbone → a model directory, all stages",
    load: async () => (await import("./commands/train.js")).trainCommand,
  },
  {
    name: "pretrain",
    summary: "the first stage alone",
    load: async () => (await import("./commands/pretrain.js")).pretrainCommand,
  },
  {
    name: "finetune",
    summary: "the second stage alone",
    load: async () => (await import("./commands/finetune.js")).finetuneCommand,
  },
  {
    name: "evaluate",
    summary: "recall and NDCG of a model on held-out items",
    load: async () => (await import("./commands/evaluate.js")).evaluateCommand,
  },
  {
    name: "recommend",
    summary: "the best items for users, or for a history",
    load: async () => (await import("./commands/recommend.js")).recommendCommand,
  },
  {
    name: "similar-items",
    summary: "the items nearest to an item",
    load: async () => (await import("./commands/similar-items.js")).similarItemsCommand,
  },
  {
    name: "embed",
    summary: "vectors of items, including new ones from their text",
    load: async () => (await import("./commands/embed.js")).embedCommand,
  },
  {
    name: "export",
    summary: "vectors of all items for vector stores, or the model as ONNX",
    load: async () => (await import("./commands/export.js")).exportCommand,
  },
  {
    name: "blend",
    summary: "a model combined with linear scorers, weighted by validation",
    load: async () => (await import("./commands/blend.js")).blendCommand,
  },
  {
    name: "serve",
    summary: "a model over HTTP, with a web page",
    load: async () => (await import("./commands/serve.js")).serveCommand,
  },
  {
    name: "merge",
    summary: "models with different seeds → one, with the mean of their embeddings",
    load: async () => (await import("./commands/merge.js")).mergeCommand,
  },
  {
    name: "baselines",
    summary: "simple recommenders on a dataset, for a model to beat",
    load: async () => (await import("./commands/baselines.js")).baselinesCommand,
  },
  {
    name: "compare",
    summary: "two recommenders user by user: difference, interval, tests",
    load: async () => (await import("./commands/compare.js")).compareCommand,
  },
  {
    name: "report",
    summary: "one HTML page about a run: curves, metrics, samples",
    load: async () => (await import("./commands/report.js")).reportCommand,
  },
  {
    name: "tune",
    summary: "settings that are better on validation, by many short training runs",
    load: async () => (await import("./commands/tune.js")).tuneCommand,
  },
  {
    name: "config",
    summary: "the settings of a training command, defaults included",
    load: async () => (await import("./commands/config.js")).configCommand,
  },
  {
    name: "completion",
    summary: "a script that completes commands and options in a shell",
    load: async () => {
      const { completionCommand } = await import("./commands/completion.js");
      return (context) => completionCommand(context, () => createProgram(context, "all"));
    },
  },
  {
    name: "demo",
    summary: "all of it on bundled data with a bundled tiny language model",
    load: async () => (await import("./commands/demo.js")).demoCommand,
  },
];

const HELP = `
Exit codes: 0 done, 1 the data or a file cannot be used, 2 wrong usage, 129, 130 or 143 interrupted by
SIGHUP, SIGINT (Ctrl-C) or SIGTERM. Results go to standard output; progress, warnings and errors to standard error.
Every command takes --quiet (warnings and errors alone) and --verbose (details, and the stack of an error).
`;

/**
 * The `cllm4rec` program for one command line; it throws CommanderError where commander would end the process.
 * @param argv decides which command is loaded; "all": each
 */
export async function createProgram(context: CliContext, argv: readonly string[] | "all"): Promise<Command> {
  const program = new Command("cllm4rec")
    .description("Collaborative large language models for recommendation, from raw reviews to recommendations.")
    .version(packageJson.version)
    .addHelpText("after", HELP);
  for (const { name, summary, load } of COMMANDS) {
    // `help NAME` is the other way to ask for a command's own help.
    const called = argv === "all" || argv.slice(0, 2).includes(name);
    const command = called ? (await load())(context) : new Command(name);
    if (called) for (const option of verbosityOptions()) command.addOption(option);
    program.addCommand(command.summary(summary));
  }
  // Subcommands inherit neither: https://github.com/tj/commander.js#override-exit-and-output-handling
  for (const command of [program, ...program.commands]) {
    command.showHelpAfterError("(--help shows the options)");
    nameUnknownOptionsFirst(command);
    const { stdout, stderr } = context;
    command.exitOverride().configureOutput({
      writeOut: (text) => stdout.write(filled(text, stdout.columns)),
      writeErr: (text) => stderr.write(filled(text, stderr.columns)),
      outputError: (text) => stderr.write(text),
      ...(stdout.columns !== undefined && { getOutHelpWidth: () => stdout.columns ?? 80 }),
    });
  }
  return program;
}
