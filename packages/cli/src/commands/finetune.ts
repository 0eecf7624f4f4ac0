// cllm4rec finetune: the second stage alone.
import type { Command } from "commander";
import type { CliContext } from "../context.js";
import { trainingCommand } from "./training-command.js";

/** The `finetune` command. */
export function finetuneCommand(context: CliContext): Command {
  return trainingCommand(context, ["finetune"], {
    name: "finetune",
    description:
      "The second stage only: learn to predict held-out items, from a pretrained model or from random embeddings.",
    examples: [
      "finetune --data beauty --backbone gpt2 --from pretrained --out model",
      "finetune --data beauty --backbone gpt2 --out model --masked-share 0.3-0.7",
    ],
  });
}
