// cllm4rec pretrain: the first stage alone.
import type { Command } from "commander";
import type { CliContext } from "../context.js";
import { trainingCommand } from "./training-command.js";

/** The `pretrain` command. */
export function pretrainCommand(context: CliContext): Command {
  return trainingCommand(context, ["pretrain"], {
    name: "pretrain",
    description: "The first stage only: content warm-up, then L-steps and C-steps in alternation.",
    examples: ["pretrain --data beauty --backbone gpt2 --out pretrained --warm-up-epochs 2 --rounds 20"],
  });
}
