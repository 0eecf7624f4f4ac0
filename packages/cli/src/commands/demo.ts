// cllm4rec demo: from reviews to recommendations on the bundled sample data, with the same commands that users run.
import path from "node:path";
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { integerFrom } from "../options.js";

interface Flags {
  readonly out: string;
  readonly seed: number;
  readonly config?: string;
  readonly json?: boolean;
}

const HELP = `
Runs prepare, train, evaluate, baselines and recommend on reviews of a fictional shop with a tiny language model. Both
are part of this package: nothing is downloaded. The demo shows how the commands work; it says nothing about real data.
Run the same command again to resume an interrupted demo.

Examples:
  $ cllm4rec demo
  $ cllm4rec demo --out somewhere --seed 1
  $ cllm4rec demo --json

Exit codes: 0 done, 1 the folder cannot be used, 2 wrong usage, 129, 130 or 143 interrupted.
`;

/** The `demo` command. */
export function demoCommand(context: CliContext): Command {
  return new Command("demo")
    .description(
      "From reviews to recommendations on bundled data with a bundled tiny language model, in a minute or two.",
    )
    .option("--out <dir>", "the folder for data, model and report", "cllm4rec-demo")
    .option("--seed <n>", "seed of the random numbers in training", integerFrom(0), 0)
    .option("--config <file.json>", "training settings instead of the demo's own")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async ({ out, seed, config, json = false }: Flags) => {
      const [{ runDemo }, { describeDemo, nextSteps }] = await Promise.all([
        import("../demo/run.js"),
        import("../demo/describe.js"),
      ]);
      const say = (text: string) => json || context.stdout.write(text);
      const result = await runDemo({ out: path.normalize(out), seed, config }, context, say);
      context.stdout.write(json ? `${JSON.stringify(result)}\n` : `${describeDemo(result)}\n${nextSteps(result)}`);
    });
}
