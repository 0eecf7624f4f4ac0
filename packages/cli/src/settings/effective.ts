// The settings that a training command runs with, defaults included: what `config --print` prints and --config takes.
import type { JsonRecord } from "@cllm4rec/training";
import { describeSettings } from "@cllm4rec/training/stage";
import { generalSchema, lengths, type OpenConfig, type StageName, sections } from "./config.js";

export const TRAINING_COMMANDS = ["train", "pretrain", "finetune"] as const;
export type TrainingCommandName = (typeof TRAINING_COMMANDS)[number];

/** The stages of a command with this configuration; `train` pretrains with the paper's method alone. */
export function stagesOf(command: TrainingCommandName, { method }: Pick<OpenConfig, "method">): readonly StageName[] {
  if (command !== "train") return [command];
  return method === "paper" ? ["pretrain", "finetune"] : ["finetune"];
}

export interface EffectiveSettings {
  /** As a configuration file holds them: without what is open, and without the sections of other stages. */
  readonly settings: JsonRecord;
  /** What depends on the data or the backbone, and is chosen when the run begins: name → by which rule. */
  readonly open: Readonly<Record<string, string>>;
}

/** The settings of a command. Reading them again gives the same configuration. */
export function effectiveSettings(command: TrainingCommandName, config: OpenConfig): EffectiveSettings {
  const stages = stagesOf(command, config);
  const { pretrain, pretrainShare, finetune, ...general } = config;
  const { warmUpEpochs, rounds, epochs } = lengths(config);
  // With a limit of time these stay open.
  const counted = config.minutes === undefined;
  const whole = {
    ...general,
    ...(stages.length > 1 && { pretrainShare }),
    ...(stages.includes("pretrain") && { pretrain: { ...pretrain, ...(counted && { warmUpEpochs, rounds }) } }),
    ...(stages.includes("finetune") && { finetune: { ...finetune, ...(counted && { epochs }) } }),
  };
  // JSON leaves out what is undefined.
  const settings = JSON.parse(JSON.stringify(whole)) as JsonRecord;
  const open = [
    ...openOf("", generalSchema, settings),
    ...stages.flatMap((stage) => openOf(`${stage}.`, sections[stage], settings[stage])),
  ];
  return { settings, open: Object.fromEntries(open) };
}

function openOf(prefix: string, schema: Parameters<typeof describeSettings>[0], values: unknown) {
  const has = (name: string) => typeof values === "object" && values !== null && name in values;
  return describeSettings(schema)
    .filter(({ name }) => !has(name) && name !== "pretrainShare")
    .map((setting) => [`${prefix}${setting.name}`, setting.default] as const);
}
