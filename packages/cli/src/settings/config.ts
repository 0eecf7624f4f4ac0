// The configuration of a training run: what the command line adds to the stages' own schemas, read from a file and from
// flags.
import fs from "node:fs";
import { finetuneSection } from "@cllm4rec/finetune";
import { pretrainSection } from "@cllm4rec/pretrain";
import { positiveInteger, runSettings, startSettings } from "@cllm4rec/training/stage";
import { z } from "zod";
import { ENGINES, MAX_THREADS } from "../engine/engine.js";
import { reasonOf, UsageError } from "../errors.js";
import { nearest } from "../nearest.js";
import { parseJsonWithComments } from "./jsonc.js";

export const STAGES = ["pretrain", "finetune"] as const;
export type StageName = (typeof STAGES)[number];
export const TEXT_KINDS = ["reviews", "item-texts", "user-texts"] as const;

/**
 * Width of the embeddings with the text-map method: a small LM's own is too narrow for what purchases say beside it
 * (docs/results.md).
 */
export const TEXT_MAP_WIDTH = 512;
/** The most documents or tokens of a batch: far more than any memory holds, and few enough to be counted. */
const MAX_BATCH = 1_000_000;

/** What a missing number means where time is limited, too. */
function open<S extends z.ZodType>(schema: z.ZodDefault<S>, otherwise: string) {
  return schema
    .unwrap()
    .optional()
    .meta({ ...schema.meta(), otherwise });
}

const { warmUpEpochs, rounds } = pretrainSection.shape;
const { epochs } = finetuneSection.shape;

/** The stages' settings by section. */
export const sections = {
  pretrain: z.strictObject({
    ...pretrainSection.shape,
    warmUpEpochs: open(warmUpEpochs, "10; 2 with --minutes"),
    rounds: open(rounds, "100; as many as there is time for with --minutes"),
  }),
  finetune: z.strictObject({
    ...finetuneSection.shape,
    epochs: open(epochs, "100; as many as there is time for with --minutes"),
  }),
};

/** Settings of a whole run. */
export const generalSchema = z.strictObject({
  data: z
    .string()
    .meta({ description: "a dataset directory that `prepare` wrote", unit: "dir", otherwise: "required" }),
  backbone: z.string().meta({
    description: "the frozen language model: a directory or hub id",
    unit: "dir|hub-id",
    otherwise: "required",
  }),
  out: z.string().meta({
    description: "the model directory to write; the same command again resumes the run in it",
    unit: "dir",
    otherwise: "required",
  }),
  ...runSettings,
  seed: runSettings.seed.meta({
    ...runSettings.seed.meta(),
    description: "seed of everything random: tables, order, masks, dropout",
  }),
  engine: z.enum(ENGINES).default("cpu").meta({ description: "the engine that computes" }),
  threads: positiveInteger.max(MAX_THREADS).optional().meta({
    description: "threads of the CPU",
    unit: "threads",
    otherwise: "CLLM4REC_THREADS, else as many as the process may use",
  }),
  minutes: z.number().gt(0).optional().meta({
    description: "time for training and validation of all stages, resumed runs included",
    unit: "minutes",
    otherwise: "no limit",
  }),
  pretrainShare: z.number().gt(0).lt(1).default(0.25).meta({
    description: "share of `minutes` that pretraining gets where finetuning follows",
  }),
  method: z
    .enum(["text-map", "paper"])
    .default("text-map")
    .meta({
      description:
        "text-map: finetuning alone; item embeddings are a learned function of their texts, with a skip path around " +
        "the LM and a short prompt. paper: pretraining and finetuning as published",
    }),
  texts: z
    .array(z.enum(TEXT_KINDS))
    .default([...TEXT_KINDS])
    .meta({
      description: "what the content model reads, where the dataset has it",
    }),
  textLength: positiveInteger.default(256).meta({
    description: "texts are cut at this length, prompt included",
    unit: "tokens",
  }),
  layers: positiveInteger.optional().meta({
    description: "blocks of the backbone in use",
    unit: "blocks",
    otherwise: "all",
  }),
  width: positiveInteger.optional().meta({
    description:
      "length of the embeddings of users and items; the LM reads their first numbers, up to its own width, the skip " +
      "path all of them",
    range: "at least the backbone's width; a smaller number means that",
    otherwise: `${TEXT_MAP_WIDTH}; the backbone's with pretraining or the paper's method`,
  }),
  ...startSettings,
  blend: z
    .enum(["auto", "none"])
    .default("auto")
    .meta({
      description:
        "auto: with the text-map method, the trained model answers together with EASE, item KNN and popularity, " +
        "weighted by what helps on validation",
    }),
  report: z.enum(["test", "validation", "none"]).default("test").meta({
    description: "the split that report.html measures the model on; without test items it is validation",
  }),
});

const promptsSchema = z.strictObject({
  interactions: z.string().exactOptional(),
  review: z.string().exactOptional(),
  itemText: z.string().exactOptional(),
  userText: z.string().exactOptional(),
  recommendation: z.string().exactOptional(),
  historyOnly: z.string().exactOptional(),
});

const configSchema = z.strictObject({
  ...generalSchema.shape,
  prompts: promptsSchema.prefault({}),
  pretrain: sections.pretrain.superRefine(limitBatches).prefault({}),
  finetune: sections.finetune.superRefine(limitBatches).prefault({}),
});

/** Refuses a batch that no machine can hold. */
function limitBatches(
  stage: Pick<z.output<typeof sections.finetune>, "batch" | "textBatch" | "textTokens">,
  context: z.RefinementCtx,
): void {
  for (const name of ["batch", "textBatch", "textTokens"] as const) {
    const value = stage[name];
    const size = typeof value !== "object" ? value : "documents" in value ? value.documents : value.tokens;
    if (size === undefined || size <= MAX_BATCH) continue;
    const message = `A batch has at most ${MAX_BATCH.toLocaleString("en-US")} documents or tokens.`;
    context.addIssue({ code: "custom", path: [name], message });
  }
}

/** The same for somebody who looks at settings and runs nothing. */
const openSchema = configSchema.partial({ data: true, backbone: true, out: true });

/** A complete configuration; `undefined` means what the schema says of a missing value. */
export type RunConfig = z.output<typeof configSchema>;
export type OpenConfig = z.output<typeof openSchema>;
export type PromptOverrides = z.output<typeof promptsSchema>;
export { promptsSchema };

type Tree = { [key: string]: unknown };

interface ReadOptions {
  /** The command that runs with it. */
  readonly command?: string;
  /** What an error names as the place of a setting that cannot be used; absent: the file, or the command line. */
  readonly source?: string;
}

/**
 * The file's settings, overridden by the flags'.
 * @param flags values by their place in the configuration, e.g. `finetune.epochs`
 * @throws UsageError naming the file and the key: unknown (with the nearest known one), of the wrong type, or missing
 */
export function readConfig(
  file: string | undefined,
  flags: Readonly<Record<string, unknown>>,
  options: ReadOptions = {},
): RunConfig {
  return readAs(configSchema, file, flags, options);
}

/** {@link readConfig} of settings that may be without a dataset, a backbone and a model directory. */
export function readOpenConfig(
  file: string | undefined,
  flags: Readonly<Record<string, unknown>>,
  options: ReadOptions = {},
): OpenConfig {
  return readAs(openSchema, file, flags, options);
}

function readAs<T extends { readonly method: RunConfig["method"] }>(
  schema: z.ZodType<T>,
  file: string | undefined,
  flags: Readonly<Record<string, unknown>>,
  { command, source = file ?? "the command line" }: ReadOptions,
): T {
  const tree: Tree = file === undefined ? {} : readTree(file);
  for (const [place, value] of Object.entries(flags)) {
    const [first = "", second] = place.split(".");
    if (second === undefined) {
      tree[first] = value;
      continue;
    }
    const section = tree[first] ?? {};
    if (!isTree(section)) {
      throw new UsageError(
        `${file}: ${first}: found ${JSON.stringify(section)}, expected an object with the settings of that stage`,
      );
    }
    tree[first] = { ...section, [second]: value };
  }
  const parsed = schema.safeParse(tree);
  if (parsed.success) {
    if (command === "train" && parsed.data.method !== "paper") refusePretraining(tree);
    return parsed.data;
  }
  // A mistyped name explains a missing one, so it is reported first.
  const { issues } = parsed.error;
  const issue =
    issues.find(({ code }) => code === "unrecognized_keys") ??
    issues.find((one) => at(tree, one.path) !== undefined) ??
    issues[0];
  throw new UsageError(`${source}: ${issue ? sentence(issue, tree) : "not a configuration"}`);
}

/** @throws UsageError where settings would have no effect, since `train` pretrains with the paper's method alone */
function refusePretraining({ pretrain, pretrainShare }: Tree): void {
  const [name] = isTree(pretrain) ? Object.keys(pretrain) : [];
  const place = name !== undefined ? `pretrain.${name}` : pretrainShare !== undefined ? "pretrainShare" : undefined;
  if (place === undefined) return;
  throw new UsageError(
    `${place}: the method text-map does not pretrain, so the setting would have no effect; leave it out, ` +
      "give --method paper, or run pretrain and then finetune --from",
  );
}

/**
 * The configuration in a run's record, with today's default for every setting that there was not yet, but for `method`:
 * earlier versions had the paper's alone. `undefined` where it is none.
 */
export function parseRecorded(config: unknown): RunConfig | undefined {
  return configSchema.safeParse(isTree(config) ? { method: "paper", ...config } : config).data;
}

function readTree(file: string): Tree {
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new UsageError(`${file}: cannot be read (${reasonOf(error)}); --config names a JSON file`);
  }
  let json: unknown;
  try {
    json = parseJsonWithComments(text);
  } catch (error) {
    throw new UsageError(`${file}: is not JSON (${reasonOf(error)})`);
  }
  if (!isTree(json)) throw new UsageError(`${file}: found no JSON object; expected settings such as {"seed": 1}`);
  return json;
}

function sentence(issue: z.core.$ZodIssue, tree: Tree): string {
  const place = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const [key = ""] = issue.keys;
    const known = keysAt(place);
    const guess = nearest(key, known);
    const name = (last: string) => [...place, last].join(".");
    return (
      `unknown key "${name(key)}"; ` +
      `${guess === undefined ? `known here: ${known.join(", ")}` : `did you mean "${name(guess)}"?`}`
    );
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

/** The keys that are known at a path of the configuration. */
function keysAt(path: readonly string[]): string[] {
  let node: unknown = z.toJSONSchema(configSchema, { io: "input", unrepresentable: "any" });
  const inside = (one: unknown): Tree | undefined =>
    isTree(one) && isTree(one.properties) ? one.properties : undefined;
  const alternatives = (one: unknown) => (isTree(one) && Array.isArray(one.anyOf) ? one.anyOf.map(inside) : []);
  for (const step of path) node = (inside(node) ?? alternatives(node).find((one) => one && step in one))?.[step];
  return Object.keys(inside(node) ?? alternatives(node).find((one) => one) ?? {});
}

const isTree = (value: unknown): value is Tree => typeof value === "object" && value !== null && !Array.isArray(value);

/** Rounds and epochs, whose defaults depend on whether time is limited; an unlimited number ends with the time. */
export function lengths({ minutes, pretrain, finetune }: Pick<RunConfig, "minutes" | "pretrain" | "finetune">): {
  readonly warmUpEpochs: number;
  readonly rounds: number;
  readonly epochs: number;
} {
  const untilTimeIsUp = Number.MAX_SAFE_INTEGER;
  const limited = minutes !== undefined;
  return {
    warmUpEpochs: pretrain.warmUpEpochs ?? (limited ? 2 : warmUpEpochs.parse(undefined)),
    rounds: pretrain.rounds ?? (limited ? untilTimeIsUp : rounds.parse(undefined)),
    epochs: finetune.epochs ?? (limited ? untilTimeIsUp : epochs.parse(undefined)),
  };
}
