// cllm4rec train: dataset and backbone → model directory, all stages.
import type { Command } from "commander";
import type { CliContext } from "../context.js";
import { trainingCommand } from "./training-command.js";

/** The `train` command. */
export function trainCommand(context: CliContext): Command {
  return trainingCommand(context, ["pretrain", "finetune"], {
    name: "train",
    description: "Pretrain and finetune: learn embeddings of users and items through a frozen language model.",
    examples: [
      "train --data beauty --backbone gpt2 --out model --minutes 60",
      "train --data beauty --backbone ./tinystories-656k --out model --no-pretrain --epochs 30 --seed 1",
      "train --config run.json --learning-rate 2e-3",
    ],
  });
}
