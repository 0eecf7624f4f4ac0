// From config.json to one typed config per architecture. Adding an architecture: its parser in a file of its own, one line here.
import type { ConfigContext } from "./config-common.js";
import { type Gemma3Config, parseGemma3Config } from "./config-gemma3.js";
import { type GptNeoxConfig, parseGptNeoxConfig } from "./config-gpt-neox.js";
import { type Gpt2Config, parseGpt2Config } from "./config-gpt2.js";
import { type LlamaConfig, parseLlamaConfig } from "./config-llama.js";
import { type OptConfig, parseOptConfig } from "./config-opt.js";
import { parseT5Config, type T5Config } from "./config-t5.js";
import { CheckpointError, didYouMean, shown } from "./errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** The typed config of any supported backbone, told apart by `modelType`. */
export type BackboneConfig = Gemma3Config | Gpt2Config | GptNeoxConfig | LlamaConfig | OptConfig | T5Config;

const PARSERS: Readonly<Record<string, (config: JsonObject, context: ConfigContext) => BackboneConfig>> = {
  gemma3_text: parseGemma3Config,
  gpt2: parseGpt2Config,
  gpt_neox: parseGptNeoxConfig,
  llama: (config, context) => parseLlamaConfig("llama", config, context),
  mistral: (config, context) => parseLlamaConfig("mistral", config, context),
  qwen2: (config, context) => parseLlamaConfig("qwen2", config, context),
  qwen3: (config, context) => parseLlamaConfig("qwen3", config, context),
  smollm3: (config, context) => parseLlamaConfig("smollm3", config, context),
  phi3: (config, context) => parseLlamaConfig("phi3", config, context),
  opt: parseOptConfig,
  t5: parseT5Config,
};

/**
 * Checks the `config.json` of a checkpoint and brings it into one form per architecture. Fields that are absent take
 * transformers' defaults, except sizes, which must be there.
 *
 * @param config the parsed JSON, e.g. `checkpoint.config`
 * @param options.file how messages name it
 * @param options.generationConfig `generation_config.json`, whose end-of-sequence ids have precedence
 * @param options.maxPositions a limit on the sequence length below the model's own. T5 has no limit of its own, and takes any
 * @throws CheckpointError when `model_type` is unknown (listing the known ones), a field is missing or out of range, or the model
 * uses a feature that is not implemented (naming the field, its value and what would be accepted)
 */
export function parseConfig(
  config: unknown,
  options: {
    readonly file?: string;
    readonly generationConfig?: JsonObject | undefined;
    readonly maxPositions?: number;
  } = {},
): BackboneConfig {
  const file = options.file ?? "config.json";
  if (!isJsonObject(config)) throw new CheckpointError(`${file}: not a JSON object`);
  const modelType = config.model_type;
  const known = Object.keys(PARSERS);
  const parse = typeof modelType === "string" && Object.hasOwn(PARSERS, modelType) ? PARSERS[modelType] : undefined;
  if (!parse) {
    const hint = typeof modelType === "string" ? didYouMean(modelType, known) : "";
    throw new CheckpointError(
      `${file}: "model_type" is ${shown(modelType)}, expected one of ${known.join(", ")}${hint}`,
    );
  }
  return parse(config, { file, generationConfig: options.generationConfig, maxPositions: options.maxPositions });
}
