// cllm4rec recommend: the best items for users of the dataset, or for anyone with a history.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { UsageError } from "../errors.js";
import { ENGINE, integerFrom, MODELS, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";
import type { EngineName } from "../run/engine.js";
import type { TrainedModel } from "../run/saved-model.js";

interface Flags {
  readonly model: readonly string[];
  readonly user?: readonly string[];
  readonly history?: readonly string[];
  readonly number: number;
  readonly data?: string;
  readonly backbone?: string;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly json?: boolean;
}

/** Whom to recommend to: indices into the model's tables beside the name that the caller uses. */
interface Wanted {
  readonly name: string | null;
  readonly user?: number;
  readonly history: ArrayLike<number>;
}

const HELP = `
The history in the prompt is the user's training items, as in evaluate, or the items of --history. What is in it is not recommended.
A user whom the model does not know is an error unless --history says what is known of them.

Examples:
  $ cllm4rec recommend --model model --user A1YJEY40YUW4SE A60XNB876KYML -k 5 --json
  $ cllm4rec recommend --model model --history B00005JS5C B0009V1YR8
  $ cllm4rec recommend --model model --user new-customer --history B00005JS5C --json

Exit codes: 0 done, 1 the model, a user or an item cannot be used, 2 the command line cannot, 129, 130 or 143 interrupted.
`;

/** The `recommend` command. */
export function recommendCommand(context: CliContext): Command {
  return new Command("recommend")
    .description("Recommend items, in one forward pass a user.")
    .requiredOption(...MODELS)
    .option("--user <id...>", "users by their ids in the input")
    .option("--history <item...>", "items by their ids in the input, in place of the dataset's")
    .option("-k, --number <k>", "items for each user", integerFrom(1), 10)
    .option("--data <dir>", "the dataset, if it was moved since")
    .option("--backbone <dir|hub-id>", "the backbone, if it was moved since")
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
      const [{ openEnsemble, openPredictor }, { Recommender }] = await Promise.all([
        import("../run/saved-model.js"),
        import("@cllm4rec/finetune"),
      ]);
      const { signal } = context;
      const display = new StageDisplay(context.stderr);
      const models = await openEnsemble(flags.model);
      const [model] = models;
      const wanted = await requests(model, flags);
      const { predictor, dispose } = await openPredictor(models, flags.backbone, {
        signal,
        display,
        engine: { engine: flags.engine ?? "cpu", threads: flags.threads },
      });
      try {
        const recommender = new Recommender(predictor);
        let at = 0;
        for await (const { items, scores } of recommender.recommend(wanted, flags.number, signal)) {
          const user = wanted[at++]!.name;
          const best = Array.from(items, (item, rank) => ({ item: model.ids.items[item]!, score: scores[rank]! }));
          context.stdout.write(flags.json ? `${JSON.stringify({ user, items: best })}\n` : table(user, best));
        }
      } finally {
        await dispose();
      }
    });
}

/** @throws Error for users and items that the model does not know, and users of whom nothing is known */
async function requests(model: TrainedModel, flags: Flags): Promise<Wanted[]> {
  const { ids, serving, directory } = model;
  const { userToken } = serving.recommendation;
  const users = new Map(ids.users.map((raw, index) => [raw, index]));
  const names = flags.user ?? [];
  const unknown = names.filter((name) => !users.has(name));
  const quoted = unknown.map((name) => JSON.stringify(name)).join(", ");
  if (flags.history) {
    const name = names[0] ?? null;
    const user = name === null ? undefined : users.get(name);
    if (userToken && user === undefined) {
      throw new Error(
        `${directory}: ${name === null ? "no user is named" : `unknown user ${quoted}`}, and the model was trained with --user-token, so a history alone is not enough; train without --user-token`,
      );
    }
    return [{ name, history: itemsOf(model, flags.history), ...(user !== undefined && { user }) }];
  }
  if (unknown.length > 0) {
    throw new Error(
      `${directory}: unknown user ${quoted}; the model knows ${ids.users.length} users by their ids in the input (such as ${JSON.stringify(ids.users[0])}). For others give --history`,
    );
  }
  const [{ csrRow }, { openItsDataset }] = await Promise.all([
    import("@cllm4rec/corpus"),
    import("../run/saved-model.js"),
  ]);
  const dataset = await openItsDataset(model, flags.data);
  try {
    const train = await dataset.interactions("train");
    return names.map((name) => {
      const user = users.get(name)!;
      const history = csrRow(train, user);
      if (history.length === 0 && !userToken) {
        throw new Error(
          `${dataset.directory}: user ${JSON.stringify(name)} has no training items to go by; give --history`,
        );
      }
      return { name, user, history };
    });
  } finally {
    dataset.close();
  }
}

function itemsOf({ ids, directory }: TrainedModel, raw: readonly string[]): number[] {
  const items = new Map(ids.items.map((id, index) => [id, index]));
  const unique = [...new Set(raw)];
  const unknown = unique.filter((id) => !items.has(id));
  if (unknown.length > 0) {
    const quoted = unknown.map((id) => JSON.stringify(id)).join(", ");
    throw new Error(
      `${directory}: unknown item ${quoted} in --history; the model knows ${ids.items.length} items by their ids in the input (such as ${JSON.stringify(ids.items[0])})`,
    );
  }
  return unique.map((id) => items.get(id)!);
}

function table(user: string | null, items: readonly { item: string; score: number }[]): string {
  const rows = items.map(
    ({ item, score }, rank) => `  ${String(rank + 1).padStart(3)}  ${score.toFixed(3).padStart(8)}  ${item}\n`,
  );
  return `${user ?? "(history)"}\n${rows.join("")}`;
}
