// cllm4rec recommend: the best items for users of the dataset, or for anyone with a history.

import type { Known, Recommendation, Recommender } from "@cllm4rec/recommend";
import { Command, Option } from "commander";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import { UsageError } from "../errors.js";
import { shortened } from "../format.js";
import { ENGINE, integerFrom, MODELS, NO_BLEND, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";
import { oneLine } from "../terminal.js";

interface Flags {
  readonly model: readonly string[];
  readonly user?: readonly string[];
  readonly history?: readonly string[];
  readonly known: Known;
  readonly number: number;
  readonly data?: string;
  readonly backbone?: string;
  readonly blend: boolean;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Choices of `--known`, here so that --help loads no model. */
const KNOWN = ["all", "train+validation", "train"] as const satisfies readonly Known[];

const HELP = `
The prompt holds the user's history, and items in it are not recommended. The history is everything that the dataset
has of the user: items of train, validation and test. --known train leaves out what was held out, as evaluate does;
--history names the items instead. A user whom the model does not know is an error unless --history says what is known
of them.

Examples:
  $ cllm4rec recommend --model model --user A1YJEY40YUW4SE A60XNB876KYML -k 5 --json
  $ cllm4rec recommend --model model --history B00005JS5C B0009V1YR8
  $ cllm4rec recommend --model model --user new-customer --history B00005JS5C --json

Exit codes: 0 done, 1 the model, a user or an item cannot be used, 2 the command line cannot, 129, 130 or 143
interrupted.
`;

/** The `recommend` command. */
export function recommendCommand(context: CliContext): Command {
  return new Command("recommend")
    .description("Recommend items, in one forward pass for many users.")
    .requiredOption(...MODELS)
    .option("--user <id...>", "users by their ids in the input")
    .option("--history <item...>", "items by their ids in the input, in place of what is known of the user")
    .addOption(new Option("--known <splits>", "what counts as the user's history").choices([...KNOWN]).default("all"))
    .option("-k, --number <k>", "items for each user", integerFrom(1), 10)
    .option("--data <dir>", "the dataset, if it was moved since; only for models without histories of their own")
    .option("--backbone <dir|hub-id>", "the backbone, if it was moved since")
    .option(...NO_BLEND)
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object a line for each user on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const names = flags.user ?? [];
      if (names.length === 0 && !flags.history)
        throw new UsageError("nobody to recommend to: give --user or --history");
      if (names.length > 1 && flags.history) {
        throw new UsageError(`--history is one user's, and --user names ${names.length}; run once for each of them`);
      }
      const [{ openRecommender, UnknownIdError }, { serving }] = await Promise.all([
        import("@cllm4rec/recommend"),
        import("../models/workplace.js"),
      ]);
      const { signal } = context;
      const display = new StageDisplay(context.stderr, context.verbosity);
      const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
      await serving({ ...flags, engine }, { signal, display }, async (places) => {
        const { known, data, number: k } = flags;
        const recommender = await openRecommender(flags.model, { ...places, known, ...(data && { data }) });
        try {
          // All of them at once: they share forward passes.
          const lists = await Promise.all(
            requests(recommender, flags).map(async ({ name, ...whom }) => ({
              name,
              best: await recommender.recommend({ ...whom, k, signal }),
            })),
          );
          for (const { name, best } of lists)
            context.stdout.write(flags.json ? `${JSON.stringify({ user: name, items: best })}\n` : table(name, best));
        } catch (error) {
          if (!(error instanceof UnknownIdError)) throw error;
          const { kind, id, hint } = error;
          const unknown = `${flags.model[0]}: unknown ${kind} ${JSON.stringify(id)}`;
          const next = kind === "item" ? ` in --history; ${hint}` : `; ${hint} For others give --history`;
          throw new Error(`${unknown}${next}`, { cause: error });
        } finally {
          await recommender.close();
        }
      });
    });
}

/**
 * Whom to recommend to, beside the name that the caller uses. A history may be that of someone whom the model does not
 * know.
 */
function requests(
  recommender: Recommender,
  { user: names = [], history }: Flags,
): { readonly name: string | null; readonly user?: string; readonly history?: readonly string[] }[] {
  if (!history) return names.map((name) => ({ name, user: name }));
  const [name] = names;
  const isKnown = name !== undefined && recommender.users.includes(name);
  return [{ name: name ?? null, history, ...(isKnown && { user: name }) }];
}

function table(user: string | null, items: readonly Recommendation[]): string {
  const rows = items.map(({ item, score, title }, rank) => {
    const place = String(rank + 1).padStart(3);
    const name = title === undefined ? "" : `  ${oneLine(shortened(title, 80))}`;
    return `  ${place}  ${score.toFixed(3).padStart(8)}  ${oneLine(item)}${name}\n`;
  });
  return `${user === null ? "(history)" : oneLine(user)}\n${rows.join("")}`;
}
