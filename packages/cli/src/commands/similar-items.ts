// cllm4rec similar-items: the items whose embeddings are nearest.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { listTable } from "../list-table.js";
import type { ModelFlags } from "../models/open.js";
import { ENGINE, integerFrom, MODELS, THREADS } from "../options.js";

interface Flags extends ModelFlags {
  readonly item: readonly string[];
  readonly number: number;
  readonly json?: boolean;
}

const HELP = `
Items are similar if users with the same taste have them. The score is the cosine of their embeddings, or its mean over
several models.

Examples:
  $ cllm4rec similar-items --model model --item B00005JS5C -k 5
  $ cllm4rec similar-items --model model --item B00005JS5C B0009V1YR8 --json

Exit codes: 0 done, 1 the model or an item cannot be used, 2 the command line cannot, 129, 130 or 143 interrupted.
`;

/** The `similar-items` command. */
export function similarItemsCommand(context: CliContext): Command {
  return new Command("similar-items")
    .description("List the items nearest to an item.")
    .requiredOption(...MODELS)
    .requiredOption("--item <id...>", "items by their ids in the input")
    .option("-k, --number <k>", "items for each", integerFrom(1), 10)
    .option("--backbone <dir|hub-id>", "the backbone, if it was moved since")
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object per line on stdout, one line per item")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const { withRecommender } = await import("../models/open.js");
      await withRecommender(flags, context, async (recommender) => {
        const lists = await Promise.all(
          flags.item.map(async (item) => ({ item, items: await recommender.similarItems(item, flags.number) })),
        );
        for (const list of lists)
          context.stdout.write(flags.json ? `${JSON.stringify(list)}\n` : listTable(list.item, list.items));
      });
    });
}
