// cllm4rec evaluate: a trained model against the items that its dataset held out, all items ranked.
import { Command, Option } from "commander";
import type { CliContext } from "../context.js";
import { ENGINE, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";
import type { EngineName } from "../run/engine.js";
import {
  describeProtocol,
  type HeldOutSplit,
  HISTORIES,
  type HistoryChoice,
  openProtocol,
  SPLITS,
} from "../run/protocol.js";

interface Flags {
  readonly model: string;
  readonly split: HeldOutSplit;
  readonly history: HistoryChoice;
  readonly data?: string;
  readonly backbone?: string;
  readonly engine?: EngineName;
  readonly threads?: number;
  readonly json?: boolean;
}

const HELP = `
Every item is ranked but those of the user's history, which stands in the prompt: the training items, as in the paper, or with
--history train+validation the validation items too. recall@K divides by min(K, held-out items). Users without held-out items do not
count.

Examples:
  $ cllm4rec evaluate --model model
  $ cllm4rec evaluate --model model --split validation --json
  $ cllm4rec evaluate --model model --history train+validation

Exit codes: 0 done, 1 the model or its data cannot be used, 2 the command line cannot, 130 interrupted.
`;

/** The `evaluate` command. */
export function evaluateCommand(context: CliContext): Command {
  return new Command("evaluate")
    .description("Measure a trained model: recall@20, recall@40 and ndcg@100 on held-out items.")
    .requiredOption("--model <dir>", "a model directory that train wrote")
    .addOption(new Option("--split <name>", "what is to be found").choices([...SPLITS]).default("test"))
    .addOption(new Option("--history <splits>", "what is known of each user").choices([...HISTORIES]).default("train"))
    .option("--data <dir>", "the dataset, if it was moved since")
    .option("--backbone <dir|hub-id>", "the backbone, if it was moved since")
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const [
        { openTrainedModel, openItsDataset, openPredictor },
        { evaluate },
        { confidenceIntervals, formatResult, toJson },
      ] = await Promise.all([import("../run/saved-model.js"), import("@cllm4rec/finetune"), import("@cllm4rec/eval")]);
      const { signal } = context;
      const display = new StageDisplay(context.stderr);
      const model = await openTrainedModel(flags.model);
      const dataset = await openItsDataset(model, flags.data);
      try {
        const protocol = await openProtocol(dataset, flags.split, flags.history);
        const { history, heldOut } = protocol;
        const { predictor, dispose } = await openPredictor(model, flags.backbone, {
          signal,
          display,
          engine: { engine: flags.engine ?? "cpu", threads: flags.threads },
        });
        try {
          display.start(`ranking ${model.description.sizes.items} items for each user`);
          const result = await evaluate({ ...predictor, history, heldOut, signal });
          display.stop();
          const { users, usersWithoutHeldOut, metrics } = result;
          const intervals = confidenceIntervals(result, { seed: 0 });
          const { split, history: historyOf, model: directory } = flags;
          const json = {
            users,
            metrics,
            split,
            history: historyOf,
            usersWithoutHeldOut,
            intervals: toJson(result, { intervals }).intervals,
            model: directory,
          };
          context.stdout.write(
            flags.json
              ? `${JSON.stringify(json)}\n`
              : `${directory}: ${describeProtocol(protocol)}. With 95% bootstrap intervals:\n${formatResult(result, { intervals })}\n`,
          );
        } finally {
          await dispose();
        }
      } finally {
        display.stop();
        dataset.close();
      }
    });
}
