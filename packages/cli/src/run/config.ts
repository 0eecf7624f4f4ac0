// The configuration of a training run: one schema for the file and the flags, every default in one place.
import fs from "node:fs";
import { z } from "zod";
import { UsageError } from "../errors.js";
import { ENGINES } from "./engine.js";
import { nearest } from "./nearest.js";

const positive = z.int().positive();
const count = z.int().nonnegative();
const weight = z.number().nonnegative();
const shareBelowOne = z.number().min(0).lt(1);
const openShare = z.number().gt(0).lt(1);

/** `LearningRate` of @cllm4rec/training, which checks the numbers. */
const learningRateSchema = z.strictObject({
  peak: z.number().positive(),
  warmup: count.exactOptional(),
  decay: z
    .strictObject({ shape: z.enum(["linear", "cosine"]), total: positive, floor: weight.exactOptional() })
    .exactOptional(),
});

const adamSchema = z.strictObject({
  beta1: shareBelowOne.exactOptional(),
  beta2: shareBelowOne.exactOptional(),
  epsilon: z.number().positive().exactOptional(),
  rows: z.enum(["dense", "sparse", "lazy"]).exactOptional(),
});

const bothStages = {
  /** Users in a batch. */
  batch: positive.default(128),
  /** Tokens in a batch of texts. */
  textTokens: positive.default(4096),
  /** Of the trained tables; the default, and that of the content tables', follows from the embeddings' scale: scales.ts. */
  learningRate: z.union([z.number().positive(), learningRateSchema]).exactOptional(),
  /** Of the content tables. */
  contentLearningRate: z.union([z.number().positive(), learningRateSchema]).exactOptional(),
  adam: adamSchema.prefault({}),
  clipNorm: z.number().positive().exactOptional(),
  lambdaC: weight.default(0.1),
  lambdaL: weight.default(0),
  scaling: z.enum(["paper", "released-code"]).default("paper"),
  order: z.enum(["shuffled", "fixed"]).default("shuffled"),
  backboneDropout: z.boolean().default(false),
};

const pretrainSchema = z.strictObject({
  ...bothStages,
  /** Default: the paper's 10, or 2 within a time budget. */
  warmUpEpochs: count.exactOptional(),
  /** Default: the paper's 100, or as many as the time allows. */
  rounds: count.exactOptional(),
  dropout: shareBelowOne.default(0),
});

const finetuneSchema = z.strictObject({
  ...bothStages,
  /** Default: 100, or as many as the time allows. */
  epochs: count.exactOptional(),
  targets: z.enum(["held-out", "all"]).default("held-out"),
  maskedShare: z.union([openShare, z.tuple([openShare, openShare])]).default([0.2, 0.8]),
  userToken: z.boolean().default(false),
  dropout: shareBelowOne.default(0),
  averageDecay: shareBelowOne.default(0.999),
  /** Content updates an epoch; 0: the content tables stay as they are. */
  contentSteps: z.union([count, z.literal("epoch")]).default("epoch"),
  validateEvery: positive.default(1),
  patience: positive.exactOptional(),
});

export const STAGES = ["pretrain", "finetune"] as const;
export type StageName = (typeof STAGES)[number];
export const TEXT_KINDS = ["reviews", "item-texts", "user-texts"] as const;

const promptsSchema = z.strictObject({
  interactions: z.string().exactOptional(),
  review: z.string().exactOptional(),
  itemText: z.string().exactOptional(),
  userText: z.string().exactOptional(),
  recommendation: z.string().exactOptional(),
  historyOnly: z.string().exactOptional(),
});

const configSchema = z.strictObject({
  data: z.string(),
  backbone: z.string(),
  out: z.string(),
  /** What computes. */
  engine: z.enum(ENGINES).default("cpu"),
  /** Threads of the CPU; default: as many as the process may use. */
  threads: positive.exactOptional(),
  seed: count.default(0),
  /** Of training and validation together, all stages. */
  minutes: z.number().positive().exactOptional(),
  /** The share of `minutes` that pretraining gets where finetuning follows. */
  pretrainShare: openShare.default(0.25),
  /** What the content model reads, where the dataset has it. */
  texts: z.array(z.enum(TEXT_KINDS)).default([...TEXT_KINDS]),
  /** Texts are cut at this many tokens, prompt included. */
  textLength: positive.default(256),
  /** The longest prompt; default: what the backbone has positions for. */
  maxLength: positive.exactOptional(),
  /** Blocks of the backbone in use; default: all. */
  layers: positive.exactOptional(),
  /** Share of the initial embeddings' variance that comes from users' and items' texts; default: 1 where pretraining reads any, else 0. */
  textShare: z.number().min(0).max(1).exactOptional(),
  /** Standard deviation of the initial embeddings, Eq. 1; default: a tenth of that of the backbone's vocabulary. */
  priorDeviation: weight.exactOptional(),
  /** Standard deviation of content around collaborative embeddings, Eq. 2; default: that of Eq. 1. */
  contentDeviation: weight.exactOptional(),
  saveEverySeconds: weight.default(60),
  /** What the model is measured on for the report at the end; `test` is validation where a dataset has no test items. */
  report: z.enum(["test", "validation", "none"]).default("test"),
  prompts: promptsSchema.prefault({}),
  pretrain: pretrainSchema.prefault({}),
  finetune: finetuneSchema.prefault({}),
});

/** A complete configuration; `undefined` means what the schema says of a missing value. */
export type RunConfig = z.output<typeof configSchema>;
export type PromptOverrides = z.output<typeof promptsSchema>;
export { promptsSchema };

type Tree = { [key: string]: unknown };

/**
 * The file's settings, overridden by the flags'.
 * @param flags values by their place in the configuration, e.g. `finetune.epochs`
 * @throws UsageError naming the file and the key: unknown (with the nearest known one), of the wrong type, or missing
 */
export function readConfig(file: string | undefined, flags: Readonly<Record<string, unknown>>): RunConfig {
  const tree: Tree = file === undefined ? {} : readTree(file);
  for (const [place, value] of Object.entries(flags)) {
    const [first = "", second] = place.split(".");
    if (second === undefined) tree[first] = value;
    else tree[first] = { ...(isTree(tree[first]) ? tree[first] : {}), [second]: value };
  }
  const parsed = configSchema.safeParse(tree);
  if (parsed.success) return parsed.data;
  // A mistyped name explains a missing one, so it is said first.
  const { issues } = parsed.error;
  const issue =
    issues.find(({ code }) => code === "unrecognized_keys") ??
    issues.find((one) => at(tree, one.path) !== undefined) ??
    issues[0];
  throw new UsageError(`${file ?? "the command line"}: ${issue ? sentence(issue, tree) : "not a configuration"}`);
}

function readTree(file: string): Tree {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file}: cannot be read (${reason(error)}); --config names a JSON file`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${file}: is not JSON (${reason(error)})`);
  }
  if (!isTree(json)) throw new UsageError(`${file}: found no JSON object; expected settings such as {"seed": 1}`);
  return json;
}

function sentence(issue: z.core.$ZodIssue, tree: Tree): string {
  const place = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const known = keysAt(place[0]);
    const guess = nearest(key, known);
    const name = (last: string) => [...place, last].join(".");
    return `unknown key "${name(key)}"; ${guess === undefined ? `known here: ${known.join(", ")}` : `did you mean "${name(guess)}"?`}`;
  }
  const found = at(tree, issue.path);
  if (found === undefined && issue.path.length === 1)
    return `no ${place[0]}; give --${place[0]}, or "${place[0]}" in the --config file`;
  return `${place.join(".")}: found ${JSON.stringify(found)}. ${issue.message}`;
}

/** The value at a path, `undefined` where there is none. */
function at(tree: Tree, path: readonly PropertyKey[]): unknown {
  let found: unknown = tree;
  for (const step of path) found = isTree(found) || Array.isArray(found) ? Reflect.get(found, step) : undefined;
  return found;
}

function keysAt(stage: string | undefined): string[] {
  const schemas: Record<string, { readonly shape: object }> = {
    pretrain: pretrainSchema,
    finetune: finetuneSchema,
    prompts: promptsSchema,
  };
  return Object.keys((stage === undefined ? configSchema : (schemas[stage] ?? configSchema)).shape);
}

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);
const reason = (error: unknown) => (error instanceof Error ? error.message : String(error));

/** Rounds and epochs, whose defaults depend on whether time is limited; an unlimited number ends with the time. */
export function lengths({ minutes, pretrain, finetune }: RunConfig): {
  readonly warmUpEpochs: number;
  readonly rounds: number;
  readonly epochs: number;
} {
  const untilTimeIsUp = Number.MAX_SAFE_INTEGER;
  return {
    warmUpEpochs: pretrain.warmUpEpochs ?? (minutes === undefined ? 10 : 2),
    rounds: pretrain.rounds ?? (minutes === undefined ? 100 : untilTimeIsUp),
    epochs: finetune.epochs ?? (minutes === undefined ? 100 : untilTimeIsUp),
  };
}
