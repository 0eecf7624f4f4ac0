// cllm4rec merge: one model from several that differ in the seed of their training.
import fs from "node:fs";
import path from "node:path";
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { refuseOccupiedFolder } from "../files/target.js";

interface Flags {
  readonly model: readonly string[];
  readonly out: string;
  readonly json?: boolean;
}

const HELP = `
Averages the models' embeddings (a "model soup"), so that a recommendation takes one forward pass. The models must have
started from the same embeddings: from the same texts (--text-share 1) or the same pretraining (finetune --from), each
with a different --seed. Others are refused; evaluate and recommend can average their logits instead.

Examples:
  $ cllm4rec finetune --data data --backbone gpt2 --from pretrained --seed 0 --out seed0
  $ cllm4rec finetune --data data --backbone gpt2 --from pretrained --seed 1 --out seed1
  $ cllm4rec merge --model seed0 seed1 --out merged
  $ cllm4rec evaluate --model merged

Exit codes: 0 done, 1 the models cannot be merged or the folder cannot be written, 2 wrong usage, 129, 130
or 143 interrupted.
`;

/** The `merge` command. */
export function mergeCommand(context: CliContext): Command {
  return new Command("merge")
    .description("Average the embeddings of models that started from the same ones into one model.")
    .requiredOption("--model <dir...>", "model directories that train wrote, two or more")
    .requiredOption("--out <dir>", "the new model directory")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async ({ model, out, json }: Flags) => {
      const [{ openEnsemble }, { merged }, { writeModel, TrainingError }] = await Promise.all([
        import("@cllm4rec/recommend"),
        import("../models/merge.js"),
        import("@cllm4rec/training/model"),
      ]);
      const directory = path.normalize(out);
      if (fs.existsSync(path.join(directory, "config.json")))
        throw new TrainingError(`${directory}: found a model there already, expected a new folder as --out`);
      await refuseOccupiedFolder(directory);
      const result = merged(await openEnsemble(model));
      await writeModel(directory, result.model);
      if (json) {
        context.stdout.write(`${JSON.stringify({ out: directory, models: model, similarity: result.similarity })}\n`);
        return;
      }
      context.stdout.write(
        `${model.length} models, whose items have a mean cosine of ${result.similarity.toFixed(2)} or more, are ` +
          `now ${directory}\nWhat it finds: cllm4rec evaluate --model ${directory}\n`,
      );
    });
}
