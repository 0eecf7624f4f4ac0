// The files that sentence-transformers puts beside a checkpoint: which modules follow the encoder, how rows are pooled,
// how long texts may be.
import fs from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { CheckpointError, errorCode, shown } from "../checkpoint/errors.js";
import { parseStrictJson, readJsonObject } from "../checkpoint/json.js";

/** How the hidden states of a text become one row. */
export type Pooling = "mean" | "cls" | "mean_sqrt_len_tokens" | "weightedmean" | "lasttoken";

export interface SentenceLayout {
  /** Folder with `config.json` and the weights. */
  readonly folder: string;
  readonly pooling: Pooling;
  /** Whether rows are scaled to length 1. */
  readonly normalise: boolean;
  /** `max_seq_length`, special tokens included; absent where the files do not say. */
  readonly maxTokens: number | undefined;
  /** Whether texts are lower-cased before the tokenizer. */
  readonly lowerCase: boolean;
  /** Put before every text. */
  readonly prompt: string;
}

const modulesSchema = z.array(z.object({ path: z.string(), type: z.string() }));
const encoderSchema = z.object({
  max_seq_length: z.number().int().positive().nullish(),
  do_lower_case: z.boolean().nullish(),
  transformer_task: z.string().nullish(),
});
const poolingSchema = z.object({
  pooling_mode: z.union([z.string(), z.array(z.string())]).optional(),
  pooling_mode_cls_token: z.boolean().optional(),
  pooling_mode_mean_tokens: z.boolean().optional(),
  pooling_mode_max_tokens: z.boolean().optional(),
  pooling_mode_mean_sqrt_len_tokens: z.boolean().optional(),
  pooling_mode_weightedmean_tokens: z.boolean().optional(),
  pooling_mode_lasttoken: z.boolean().optional(),
  include_prompt: z.boolean().optional(),
});
const promptsSchema = z.object({
  prompts: z.record(z.string(), z.string()).nullish(),
  default_prompt_name: z.string().nullish(),
});

const POOLINGS: readonly Pooling[] = ["mean", "cls", "mean_sqrt_len_tokens", "weightedmean", "lasttoken"];
/** As earlier versions write the mode. */
const OLD_MODES = {
  pooling_mode_cls_token: "cls",
  pooling_mode_mean_tokens: "mean",
  pooling_mode_max_tokens: "max",
  pooling_mode_mean_sqrt_len_tokens: "mean_sqrt_len_tokens",
  pooling_mode_weightedmean_tokens: "weightedmean",
  pooling_mode_lasttoken: "lasttoken",
} as const;

/**
 * Reads what sentence-transformers wrote. A directory without its `modules.json` is a plain encoder: mean pooling, no
 * normalisation, as sentence-transformers opens it too.
 * @param chosen the pooling in place of the directory's
 * @throws CheckpointError for a module or a setting that is not supported, naming the file and the value
 */
export async function readSentenceLayout(directory: string, chosen?: Pooling): Promise<SentenceLayout> {
  const modulesFile = path.join(directory, "modules.json");
  const modules = await readModules(modulesFile);
  const [encoder, pooling, ...rest] = modules ?? [{ kind: "Transformer", path: "" }];
  const refuse = (kinds: string) =>
    new CheckpointError(
      `${modulesFile}: the modules are ${kinds}, expected Transformer, Pooling and, at most, Normalize. Use a ` +
        "sentence encoder without other modules",
    );
  const kinds = modules?.map(({ kind }) => kind) ?? [];
  if (modules && (encoder?.kind !== "Transformer" || pooling?.kind !== "Pooling"))
    throw refuse(kinds.map(shown).join(", "));
  if (rest.length > 1 || (rest[0] && rest[0].kind !== "Normalize")) throw refuse(kinds.map(shown).join(", "));
  const folder = path.join(directory, encoder!.path);
  const file = path.join(folder, "sentence_bert_config.json");
  const settings = parse(encoderSchema, file, (await readJsonObject(file)) ?? {});
  const { transformer_task: task } = settings;
  if (task != null && task !== "feature-extraction")
    throw new CheckpointError(`${file}: "transformer_task" is ${shown(task)}, expected "feature-extraction"`);
  const prompt = await readPrompt(directory);
  return {
    folder,
    pooling:
      chosen ?? (pooling ? await readPooling(path.join(directory, pooling.path, "config.json"), prompt) : "mean"),
    normalise: rest.length > 0,
    maxTokens: settings.max_seq_length ?? undefined,
    lowerCase: settings.do_lower_case ?? false,
    prompt,
  };
}

/** The modules in their order, by the last part of the names of their classes; `undefined` without the file. */
async function readModules(file: string): Promise<{ kind: string; path: string }[] | undefined> {
  let text: string;
  try {
    text = await fs.readFile(file, "utf8");
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  let json: unknown;
  try {
    json = parseStrictJson(text);
  } catch (error) {
    throw new CheckpointError(`${file}: not valid JSON (${String(error)}); download or write the file again`);
  }
  return parse(modulesSchema, file, json).map(({ type, path: folder }) => {
    if (!/^[\w.-]*$/.test(folder) || folder.startsWith("."))
      throw new CheckpointError(`${file}: the module's path is ${shown(folder)}, expected a folder of this directory`);
    return { kind: type.split(".").at(-1)!, path: folder };
  });
}

async function readPooling(file: string, prompt: string): Promise<Pooling> {
  const config = await readJsonObject(file);
  if (!config) throw new CheckpointError(`${file}: no such file; modules.json says that it holds the pooling`);
  const parsed = parse(poolingSchema, file, config);
  const old = Object.entries(OLD_MODES).flatMap(([key, mode]) =>
    parsed[key as keyof typeof OLD_MODES] ? [mode as string] : [],
  );
  const modes = parsed.pooling_mode === undefined ? old : [parsed.pooling_mode].flat();
  if (prompt !== "" && parsed.include_prompt === false)
    throw new CheckpointError(
      `${file}: "include_prompt" is false and the model has a default prompt, which is not supported`,
    );
  if (modes.length === 0) return "mean";
  const mode = POOLINGS.find((known) => known === modes[0]);
  if (mode && modes.length === 1) return mode;
  throw new CheckpointError(
    `${file}: the pooling is ${modes.map(shown).join(" with ")}, expected one of ${POOLINGS.join(", ")}; pass ` +
      "pooling to choose one",
  );
}

async function readPrompt(directory: string): Promise<string> {
  const file = path.join(directory, "config_sentence_transformers.json");
  const { prompts, default_prompt_name: name } = parse(promptsSchema, file, (await readJsonObject(file)) ?? {});
  if (name == null) return "";
  const prompt = prompts?.[name];
  if (prompt === undefined)
    throw new CheckpointError(`${file}: "default_prompt_name" is ${shown(name)}, which "prompts" does not have`);
  return prompt;
}

function parse<S extends z.ZodType>(schema: S, file: string, json: unknown): z.infer<S> {
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw new CheckpointError(`${file}: ${shown(issue?.path.join(".") ?? "")}: ${issue?.message}; download it again`);
}
