// cllm4rec blend: a model that answers together with linear scorers and other models, weighted by what helps on
// validation.
import path from "node:path";
import type { BlendMember } from "@cllm4rec/recommend";
import type { ScorerName } from "@cllm4rec/recommend/blend";
import { Command, Option } from "commander";
import { closing } from "../closing.js";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import { membersTable } from "../evaluation/members.js";
import { ENGINE, integerFrom, numberFrom, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  readonly model: readonly string[];
  readonly out?: string;
  readonly scorers?: readonly (typeof SCORERS)[number][];
  readonly trials?: number;
  readonly lambda?: number;
  readonly data?: string;
  readonly backbone?: string;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Choices of `--scorers`, here so that --help loads no model. */
const SCORERS = ["ease", "ease-with-text", "item-knn", "most-popular", "none"] as const;
const NAMES = {
  ease: ["ease"],
  "ease-with-text": ["ease with text"],
  "item-knn": ["item knn"],
  "most-popular": ["most popular"],
  none: [],
} as const satisfies Record<(typeof SCORERS)[number], readonly ScorerName[]>;

const HELP = `
Each member's scores are standardised for each user (z-scores) and added. The weights are learned on the validation
items, and members that do not help are dropped. EASE's λ and the weights of the texts are chosen on the validation
items too. The blend is stored in the model directory, and recommend, evaluate, report and openRecommender then use it.
evaluate --no-blend measures the model alone. Several models must share dataset, backbone and prompt; the others are
copied into the directory of the first.

Examples:
  $ cllm4rec blend --model model
  $ cllm4rec blend --model seed0 seed1 seed2 --out blended
  $ cllm4rec blend --model model --scorers ease-with-text --trials 6 --json

Exit codes: 0 done, 1 the models or the data cannot be used, 2 wrong usage, 129, 130 or 143 interrupted.
`;

/** The `blend` command. */
export function blendCommand(context: CliContext): Command {
  return new Command("blend")
    .description("Combine a model with linear scorers and other models, with weights learned on validation.")
    .requiredOption("--model <dir...>", "model directories that train wrote, one or more")
    .option("--out <dir>", "a new model directory (default: the blend is added to the first model)")
    .addOption(
      new Option(
        "--scorers <names...>",
        "scorers to try with the models (default: EASE with text, or EASE without texts; item-knn; most-popular)",
      ).choices([...SCORERS]),
    )
    .option("--trials <n>", "fits of EASE on validation; 1: no search (default: by items)", integerFrom(1))
    .option("--lambda <λ>", "EASE's L2 weight (default: chosen on validation)", numberFrom(0, { above: true }))
    .option("--data <dir>", "where the dataset is now, if it was moved")
    .option("--backbone <dir|hub-id>", "where the backbone is now, if it was moved")
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action((flags: Flags) =>
      closing(async (later) => {
        const [
          { openItsDataset, openTrainedModel },
          { blend },
          { blendDisplay },
          { naming, serving },
          { lockDirectory },
          target,
        ] = await Promise.all([
          import("@cllm4rec/recommend"),
          import("@cllm4rec/recommend/blend"),
          import("../evaluation/blend-display.js"),
          import("../models/workplace.js"),
          import("../files/lock.js"),
          import("../files/target.js"),
        ]);
        const { signal } = context;
        const { scorers, trials, lambda, json } = flags;
        const out = flags.out === undefined ? undefined : path.normalize(flags.out);
        if (out !== undefined) await target.refuseOccupiedFolder(out);
        const first = await openTrainedModel(flags.model[0]!);
        const dataset = await naming(() => openItsDataset(first, flags.data));
        later(() => dataset.close());
        if (out === undefined) later(await lockDirectory(first.directory));
        const display = new StageDisplay(context.stderr, context.verbosity);
        const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
        const learned = await serving({ ...flags, engine }, { signal, display }, ({ onProgress: _, ...places }) =>
          blend(flags.model, dataset, {
            ...places,
            ...(out !== undefined && { out }),
            ...(scorers && { scorers: scorers.flatMap((name) => NAMES[name]) }),
            ...(trials !== undefined && { trials }),
            ...(lambda !== undefined && { lambda }),
            onProgress: blendDisplay(display),
          }),
        );
        display.stop();
        const { directory, members, metrics, stored } = learned;
        if (json) {
          context.stdout.write(`${JSON.stringify({ out: directory, stored, validation: metrics, members })}\n`);
          return;
        }
        context.stdout.write(
          `${describe(directory, stored, members)}${membersTable(members)}` +
            `Next: cllm4rec evaluate --model ${directory}\n`,
        );
      }),
    );
}

function describe(directory: string, stored: boolean, members: readonly BlendMember[]): string {
  const used = members.filter(({ weight }) => weight > 0).length;
  return stored
    ? `${directory}: answers with a blend of ${used} of ${members.length} members. On validation:\n`
    : `${directory}: the model alone is best on validation, so there is no blend:\n`;
}
