// cllm4rec evaluate: a trained model against the items that its dataset held out, all items ranked.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import { membersTable } from "../evaluation/members.js";
import {
  chosenMetrics,
  describeProtocol,
  type HeldOutSplit,
  type HistoryChoice,
  openProtocol,
} from "../evaluation/protocol.js";
import { ENGINE, historyOption, METRICS, MODELS, NO_BLEND, splitOption, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  readonly model: readonly string[];
  readonly split: HeldOutSplit;
  readonly history: HistoryChoice;
  readonly data?: string;
  readonly backbone?: string;
  readonly metrics?: readonly string[];
  readonly blend: boolean;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly perUser?: string;
  readonly json?: boolean;
}

const HELP = `
Every item is ranked except those of the user's history, which is in the prompt: the training items, as in the paper,
or with --history train+validation the validation items too. recall@K divides by min(K, held-out items). Users without
held-out items are left out. If the model directory has a blend, the blend is measured; --json lists its members, their
weights, and their metrics on the validation items. If the dataset has cold items (prepare --hold-out-items), they are
measured too: ranked among cold items only, among all items, and together with the other test items.

Examples:
  $ cllm4rec evaluate --model model
  $ cllm4rec evaluate --model model --split validation --json
  $ cllm4rec evaluate --model model --history train+validation
  $ cllm4rec evaluate --model model --no-blend
  $ cllm4rec evaluate --model seed0 seed1 seed2 --per-user ensemble.json

Exit codes: 0 done, 1 the model or its data cannot be used, 2 wrong usage, 129, 130 or 143 interrupted.
`;

/** The `evaluate` command. */
export function evaluateCommand(context: CliContext): Command {
  return new Command("evaluate")
    .description("Measure a trained model: recall@20, recall@40 and ndcg@100 on held-out items.")
    .requiredOption(...MODELS)
    .addOption(splitOption().default("test"))
    .addOption(historyOption())
    .option("--data <dir>", "where the dataset is now, if it was moved")
    .option("--backbone <dir|hub-id>", "where the backbone is now, if it was moved")
    .option(...METRICS)
    .option(...NO_BLEND)
    .option(...ENGINE)
    .option(...THREADS)
    .option("--per-user <file>", "also write every user's values, for cllm4rec compare")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const [
        recommend,
        { confidenceIntervals, formatResult, toJson },
        { viewFile, writePerUser },
        { naming, serving },
        { coldFacts, coldJson, coldText, coldViews, eachView },
      ] = await Promise.all([
        import("@cllm4rec/recommend"),
        import("@cllm4rec/eval"),
        import("../evaluation/per-user.js"),
        import("../models/workplace.js"),
        import("../evaluation/cold-items.js"),
      ]);
      const metricsOption = await chosenMetrics(flags.metrics);
      const { signal } = context;
      const display = new StageDisplay(context.stderr, context.verbosity);
      const models = await recommend.openEnsemble(flags.model);
      const [model] = models;
      const dataset = await naming(() => recommend.openItsDataset(model, flags.data));
      try {
        const protocol = await openProtocol(dataset, flags.split, flags.history);
        const { history, heldOut } = protocol;
        const cold = await recommend.openColdProtocol(dataset, protocol);
        const ofCold = cold && coldViews(protocol, cold);
        const views = [{ heldOut }, ...Object.values(ofCold ?? {})];
        const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
        const { results, members } = await serving({ ...flags, engine }, { signal, display }, async (places) => {
          const { predictor, dispose } = await recommend.openPredictor(models, places);
          try {
            display.start(`ranking ${model.description.sizes.items} items for each user`);
            return {
              results: await recommend.evaluateViews({ ...predictor, ...metricsOption, history, views, signal }),
              members: predictor.blend?.members ?? [],
            };
          } finally {
            await dispose();
          }
        });
        const [result, ...others] = results;
        if (!result) throw new Error("nothing was evaluated");
        const coldResults = ofCold && (await eachView(ofCold, (view) => others[views.indexOf(view) - 1]!));
        const { users, usersWithoutHeldOut, metrics } = result;
        const intervals = confidenceIntervals(result, { seed: 0 });
        const { split, history: historyOf } = flags;
        const names = models.map(({ directory }) => directory);
        if (flags.perUser !== undefined) {
          await writePerUser(flags.perUser, result, protocol);
          for (const [view, one] of Object.entries(coldResults ?? {}))
            await writePerUser(viewFile(flags.perUser, view), one, { ...protocol, view });
        }
        const json = {
          users,
          metrics,
          split,
          history: historyOf,
          usersWithoutHeldOut,
          intervals: toJson(result, { intervals }).intervals,
          model: names.length === 1 ? names[0] : names,
          members:
            members.length > 0
              ? members
              : names.map((name) => ({ name: `CLLM4Rec ${name}`, weight: 1 / names.length })),
          ...(cold && coldResults && { cold: { ...coldFacts(cold), ...coldJson(coldResults) } }),
        };
        context.stdout.write(
          flags.json
            ? `${JSON.stringify(json)}\n`
            : [
                `${names.join(", ")}: ${describeProtocol(protocol)}. With 95% bootstrap intervals:`,
                formatResult(result, { intervals }),
                ...(coldResults ? [coldText(coldResults)] : []),
                ...(members.length > 0 ? ["A blend; on validation:", membersTable(members).trimEnd()] : []),
                "",
              ].join("\n"),
        );
      } finally {
        display.stop();
        dataset.close();
      }
    });
}
