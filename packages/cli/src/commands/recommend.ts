// cllm4rec recommend: the best items for users of the dataset, or for anyone with a history.

import { setMaxListeners } from "node:events";
import type { Known, Recommender } from "@cllm4rec/recommend";
import { Command, Option } from "commander";
import { z } from "zod";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import { UsageError } from "../errors.js";
import { listTable } from "../list-table.js";
import { ENGINE, integerFrom, MODELS, NO_BLEND, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  readonly model: readonly string[];
  readonly user?: readonly string[];
  readonly history?: readonly string[];
  readonly users?: "all";
  readonly histories?: string;
  readonly out?: string;
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
The prompt holds the user's history, and items in it are not recommended. The history is all of the user's items in the
dataset, from train, validation and test. --known train leaves out the held-out ones, as evaluate does; --history names
the items instead. An unknown user is an error unless you give --history.

--users all selects every user of the model, --histories a file with a JSON line for each user: {"user": "…", "history":
["…"]}, where one of the two may be absent, or just an array of items; - is standard input. --out writes the lists to a
file, in batches: .jsonl has the lines of --json, .parquet and .csv have one row per recommendation (user, rank, item,
score, title). To resume an interrupted command, run it again.

Examples:
  $ cllm4rec recommend --model model --users all --out recs.parquet
  $ cllm4rec recommend --model model --histories - --json < visitors.jsonl
  $ cllm4rec recommend --model model --user A1YJEY40YUW4SE A60XNB876KYML -k 5 --json
  $ cllm4rec recommend --model model --history B00005JS5C B0009V1YR8
  $ cllm4rec recommend --model model --user new-customer --history B00005JS5C --json

Exit codes: 0 done, 1 the model, a user or an item cannot be used, 2 wrong usage, 129, 130 or 143
interrupted.
`;

/** The `recommend` command. */
export function recommendCommand(context: CliContext): Command {
  return new Command("recommend")
    .description("Recommend items, in one forward pass for many users.")
    .requiredOption(...MODELS)
    .option("--user <id...>", "users by their ids in the input")
    .option("--history <item...>", "items by their ids in the input, instead of the user's known items")
    .addOption(new Option("--users <which>", "instead of --user: every user of the model").choices(["all"]))
    .option("--histories <file>", "instead of --user: users and histories as JSON lines; - is standard input")
    .option("--out <file>", "lists as .jsonl, .parquet or .csv instead of stdout")
    .addOption(new Option("--known <splits>", "what counts as the user's history").choices([...KNOWN]).default("all"))
    .option("-k, --number <k>", "items for each user", integerFrom(1), 10)
    .option("--data <dir>", "where the dataset is now, if it was moved; only for models that hold no histories")
    .option("--backbone <dir|hub-id>", "where the backbone is now, if it was moved")
    .option(...NO_BLEND)
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object per line on stdout, one line per user")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      checkWhom(flags);
      const [{ openRecommender, UnknownIdError }, { serving }, { readJsonLines }, lists] = await Promise.all([
        import("@cllm4rec/recommend"),
        import("../models/workplace.js"),
        import("../batch/json-lines.js"),
        import("../batch/recommendations.js"),
      ]);
      const { out, histories } = flags;
      if (out !== undefined) lists.checkListsFile(out);
      const given = histories === undefined ? undefined : await readJsonLines(histories, historyOf);
      const { signal } = context;
      // Each of the users listens.
      setMaxListeners(0, signal);
      const display = new StageDisplay(context.stderr, context.verbosity);
      const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
      await serving({ ...flags, engine }, { signal, display }, async (places) => {
        const { known, data, number: k } = flags;
        const recommender = await openRecommender(flags.model, { ...places, known, ...(data && { data }) });
        try {
          const asked = given ? given.map((one) => named(recommender, one)) : requests(recommender, flags);
          if (out !== undefined) {
            // Of every user of a model, some may have nothing to recommend by; users that were named are an error then.
            const unknowable = ({ user, history }: Omit<Asked, "name">) =>
              flags.users === "all" && user !== undefined && !history && !recommender.knows(user);
            const identity = await identityOf(recommender, flags, asked);
            const resumed = await lists.writeLists({
              ...{ file: out, requests: asked, identity, signal, display },
              recommend: ({ name: _, ...whom }) =>
                unknowable(whom) ? Promise.resolve([]) : recommender.recommend({ ...whom, k, signal }),
            });
            const earlier = resumed > 0 ? `, ${resumed} of them by an earlier run` : "";
            const empty = asked.filter(unknowable).length;
            const without = empty > 0 ? `; ${empty} of them have no history, and an empty list` : "";
            context.stderr.write(`${out}: lists for ${asked.length} users${earlier}${without}\n`);
            return;
          }
          // All of them at once: they share forward passes.
          const found = await Promise.all(
            asked.map(async ({ name, ...whom }) => ({
              name,
              best: await recommender.recommend({ ...whom, k, signal }),
            })),
          );
          for (const { name, best } of found) {
            const line = `${JSON.stringify({ user: name, items: best })}\n`;
            context.stdout.write(flags.json ? line : listTable(name, best));
          }
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

/** @throws UsageError unless the flags name users in one way */
function checkWhom({ user: names = [], history, users, histories }: Flags): void {
  const ways = [names.length > 0 || history !== undefined, users !== undefined, histories !== undefined];
  const given = ways.filter(Boolean).length;
  if (given === 0) throw new UsageError("found no users: give --user, --history, --users all or --histories");
  if (given > 1)
    throw new UsageError("found several of --user or --history, --users and --histories; give one of them");
  if (names.length > 1 && history)
    throw new UsageError(`--history is one user's, and --user names ${names.length}; run once for each of them`);
}

/** Whom to recommend to, beside the name that the caller uses. */
interface Asked {
  readonly name: string | null;
  readonly user?: string;
  readonly history?: readonly string[];
}

function requests(recommender: Recommender, { user: names = [], history, users }: Flags): Asked[] {
  if (users === "all") return recommender.users.map((name) => ({ name, user: name }));
  if (!history) return names.map((name) => ({ name, user: name }));
  return [named(recommender, { history, ...(names[0] !== undefined && { user: names[0] }) })];
}

/** A history may be that of someone whom the model does not know. */
function named(recommender: Recommender, { user, history }: Omit<Asked, "name">): Asked {
  const isKnown = user !== undefined && (history === undefined || isUser(recommender, user));
  return { name: user ?? null, ...(history && { history }), ...(isKnown && { user }) };
}

const historySchema = z
  .strictObject({ user: z.string().exactOptional(), history: z.array(z.string()).exactOptional() })
  .refine(({ user, history }) => user !== undefined || history !== undefined, "found neither user nor history");

function historyOf(value: unknown): z.infer<typeof historySchema> {
  const parsed = historySchema.safeParse(Array.isArray(value) ? { history: value } : value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new Error(
    `${[...(issue?.path ?? []), issue?.message].join(": ")}; expected {"user": "…", "history": ["…"]} or an array of ` +
      "ids",
  );
}

const userSets = new WeakMap<readonly string[], ReadonlySet<string>>();

function isUser({ users }: Recommender, id: string): boolean {
  const known = userSets.get(users) ?? new Set(users);
  userSets.set(users, known);
  return known.has(id);
}

/** What decides the lists of a file: a part of another run is not taken for one of this. */
async function identityOf(
  { addedItems, removedItems }: Recommender,
  { model, number, known, blend }: Flags,
  asked: readonly Asked[],
): Promise<string> {
  const { createHash } = await import("node:crypto");
  const { modelChecksum } = await import("@cllm4rec/training/model");
  const models = await Promise.all(model.map(modelChecksum));
  const whole = JSON.stringify([models, number, known, blend, addedItems, removedItems, asked]);
  return createHash("sha256").update(whole).digest("hex");
}
