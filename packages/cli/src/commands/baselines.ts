// cllm4rec baselines: simple recommenders on a dataset's held-out items, under the protocol of evaluate.
import path from "node:path";
import type { HistoryScorer } from "@cllm4rec/eval";
import { Command } from "commander";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import {
  chosenMetrics,
  describeProtocol,
  type HeldOutSplit,
  type HistoryChoice,
  openProtocol,
} from "../evaluation/protocol.js";
import { ENGINE, historyOption, integerFrom, METRICS, numberFrom, splitOption, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  readonly data: string;
  readonly split: HeldOutSplit;
  readonly history: HistoryChoice;
  readonly neighbours?: number;
  readonly shrinkage?: number;
  readonly lambda?: number;
  readonly trials?: number;
  readonly ease: boolean;
  readonly metrics?: readonly string[];
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly perUser?: string;
  readonly json?: boolean;
}

const HELP = `
Measures most popular; item KNN by the cosine of items, with all neighbours, and with shrunk similarities (or with
--neighbours and --shrinkage); and EASE, a linear model in closed form. If the dataset has texts, it also measures EASE
with text, with the words of titles, item texts and training reviews as side information, and content KNN, the cosine
between an item's text and the texts of the history. Everything is fitted to the training items. EASE's λ and the
weights of the texts are chosen on the validation items. Ranking, masks and metrics are those of evaluate: recall@K
divides by min(K, held-out items).

If the dataset has cold items (prepare --hold-out-items), each recommender is measured on them too: ranked among cold
items only, among all items, and together with the other test items. One more is listed, EASE with text for cold items.
Its settings, and the weights of content KNN, are chosen on a fifth of the other items, taken out of training.
Recommenders without text give all cold items the same score.

Examples:
  $ cllm4rec baselines --data beauty
  $ cllm4rec baselines --data beauty --split validation --lambda 500 --json
  $ cllm4rec baselines --data beauty --per-user baselines
  $ cllm4rec baselines --data beauty --neighbours 100 --no-ease
  $ cllm4rec baselines --data beauty --metrics recall-all@10 ndcg@10 ndcg@20

Exit codes: 0 done, 1 the data cannot be used, 2 wrong usage, 129, 130 or 143 interrupted.
`;

/** The `baselines` command. */
export function baselinesCommand(context: CliContext): Command {
  return new Command("baselines")
    .description("Measure simple recommenders on a dataset, for a model to beat.")
    .requiredOption("--data <dir>", "a dataset directory that prepare wrote")
    .addOption(splitOption().default("test"))
    .addOption(historyOption())
    .option("--neighbours <k>", "most similar items that each item keeps (default: all)", integerFrom(1))
    .option("--shrinkage <s>", "added to the denominator of the cosine (default: 0 and 10)", numberFrom(0))
    .option("--lambda <λ>", "EASE's L2 weight (default: chosen on validation)", numberFrom(0, { above: true }))
    .option("--trials <n>", "fits of EASE on validation; 1: no search (default: by items)", integerFrom(1))
    .option(
      "--no-ease",
      "leave out EASE, whose time grows with the cube of the number of items, and its memory with the square",
    )
    .option(...METRICS)
    .option(...ENGINE)
    .option(...THREADS)
    .option("--per-user <dir>", "also write every user's values, one file per recommender, for cllm4rec compare")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const [
        { Dataset },
        { confidenceIntervals, evaluateScorer, formatResult, toJson },
        { fitEase, quickBaselines },
        { fitContentKnn },
        { coldFacts, coldJson, coldText, coldViews, eachView, fitColdEase },
        { fileName, viewFile, writePerUser },
        { openColdProtocol },
      ] = await Promise.all([
        import("@cllm4rec/corpus"),
        import("@cllm4rec/eval"),
        import("../evaluation/baselines.js"),
        import("../evaluation/content-knn.js"),
        import("../evaluation/cold-items.js"),
        import("../evaluation/per-user.js"),
        import("@cllm4rec/recommend"),
      ]);
      const { data, split, history: historyOf, neighbours, shrinkage, json } = flags;
      const { signal } = context;
      const metrics = await chosenMetrics(flags.metrics);
      const display = new StageDisplay(context.stderr, context.verbosity);
      const dataset = await Dataset.open(data);
      try {
        const protocol = await openProtocol(dataset, split, historyOf);
        const cold = await openColdProtocol(dataset, protocol);
        const views = cold && coldViews(protocol, cold);
        const knn = { ...(neighbours !== undefined && { neighbours }), ...(shrinkage !== undefined && { shrinkage }) };
        const chosen = Object.keys(knn).length > 0 ? [knn] : undefined;
        const methods: { readonly scorer: HistoryScorer; readonly method?: string; readonly settings?: object }[] =
          quickBaselines(protocol, chosen).map((scorer) => ({ scorer }));
        display.start("comparing texts");
        const content = await fitContentKnn(dataset, protocol, { signal });
        if (content) methods.push(content);
        if (flags.ease) {
          const engine = { engine: flags.engine ?? "cpu", threads: flags.threads };
          const { lambda, trials } = flags;
          const options = { lambda, trials, engine, signal, display };
          methods.push(...(await fitEase(dataset, protocol, options)));
          if (cold) methods.push(await fitColdEase(dataset, protocol, cold, options));
        }
        const rows = [];
        for (const { scorer, method, settings } of methods) {
          display.start(`ranking by ${scorer.name}`);
          const result = await evaluateScorer(scorer, {
            history: protocol.history,
            heldOut: protocol.heldOut,
            ...metrics,
            signal,
            onProgress: (done, users) => display.update(done / users),
          });
          const { history } = protocol;
          const ofCold =
            views &&
            (await eachView(views, (view) => evaluateScorer(scorer, { history, ...view, ...metrics, signal })));
          if (flags.perUser !== undefined) {
            const file = path.join(flags.perUser, fileName(scorer.name));
            await writePerUser(file, result, protocol);
            for (const [view, one] of Object.entries(ofCold ?? {}))
              await writePerUser(viewFile(file, view), one, { ...protocol, view });
          }
          const intervals = confidenceIntervals(result, { seed: 0 });
          rows.push({ name: scorer.name, ...(method && { method, settings }), result, intervals, ofCold });
        }
        display.stop();
        const [{ users, usersWithoutHeldOut }] = [rows[0]!.result];
        if (json) {
          const baselines = rows.map(({ result, intervals, ofCold, ...named }) => {
            const { metrics, intervals: ranges } = toJson(result, { intervals });
            return { ...named, metrics, intervals: ranges, ...(ofCold && { cold: coldJson(ofCold) }) };
          });
          const facts = {
            split,
            history: historyOf,
            usersWithoutHeldOut,
            data,
            ...(cold && { cold: coldFacts(cold) }),
          };
          context.stdout.write(`${JSON.stringify({ users, baselines, ...facts })}\n`);
        } else {
          const tables = rows.map(({ name, result, intervals, ofCold }) => {
            const [, ...lines] = formatResult(result, { intervals }).split("\n");
            if (ofCold) lines.push(...coldText(ofCold).split("\n"));
            return `${name}\n${lines.map((line) => `  ${line}\n`).join("")}`;
          });
          context.stdout.write(
            `${data}: ${describeProtocol(protocol)}. ${users} users, 95% bootstrap intervals.\n${tables.join("")}`,
          );
        }
      } finally {
        display.stop();
        dataset.close();
      }
    });
}
