// From config.json to one typed config per architecture. Adding an architecture: its parser in a file of its own, one
// line here.
import type { ConfigContext } from "./config-common.js";
import { type Gemma3Config, parseGemma3Config } from "./config-gemma3.js";
import { type GptNeoxConfig, parseGptNeoxConfig } from "./config-gpt-neox.js";
import { type Gpt2Config, parseGpt2Config } from "./config-gpt2.js";
import { type LlamaConfig, parseLlamaConfig } from "./config-llama.js";
import { type OptConfig, parseOptConfig } from "./config-opt.js";
import { parseT5Config, type T5Config } from "./config-t5.js";
import { CheckpointError, shown } from "./errors.js";
import { isJsonObject, type JsonObject } from "./json.js";

/** The typed config of any supported backbone, discriminated by `modelType`. */
export type BackboneConfig = Gemma3Config | Gpt2Config | GptNeoxConfig | LlamaConfig | OptConfig | T5Config;

const PARSERS: Readonly<Record<string, (config: JsonObject, context: ConfigContext) => BackboneConfig>> = {
  gemma3_text: parseGemma3Config,
  gpt2: parseGpt2Config,
  gpt_neox: parseGptNeoxConfig,
  llama: (config, context) => parseLlamaConfig("llama", config, context),
  mistral: (config, context) => parseLlamaConfig("mistral", config, context),
  mt5: (config, context) => parseT5Config("mt5", config, context),
  opt: parseOptConfig,
  phi3: (config, context) => parseLlamaConfig("phi3", config, context),
  qwen2: (config, context) => parseLlamaConfig("qwen2", config, context),
  qwen3: (config, context) => parseLlamaConfig("qwen3", config, context),
  smollm3: (config, context) => parseLlamaConfig("smollm3", config, context),
  t5: (config, context) => parseT5Config("t5", config, context),
  umt5: (config, context) => parseT5Config("umt5", config, context),
};

/**
 * Checks the `config.json` of a checkpoint and brings it into one form per architecture. Fields that are absent take
 * transformers' defaults, except sizes, which must be there.
 *
 * @param config the parsed JSON, e.g. `checkpoint.config`
 * @param options.file how messages name it
 * @param options.generationConfig `generation_config.json`, whose end-of-sequence ids have precedence
 * @param options.maxPositions a limit on the sequence length below the model's own. T5 has no limit of its own, and
 *   takes any
 * @param options.tensors the tensors of the checkpoint by name, e.g. `checkpoint.tensors`: they bound the number of
 * layers, and tell whether a T5 1.1 that transformers 5 wrote has a head of its own (where absent, it has)
 * @throws CheckpointError when `model_type` is unknown (listing the known ones), a field is missing or out of range, or
 * the model uses a feature that is not implemented (naming the field, its value and what would be accepted)
 */
export function parseConfig(
  config: unknown,
  options: {
    readonly file?: string;
    readonly generationConfig?: JsonObject | undefined;
    readonly maxPositions?: number;
    readonly tensors?: ReadonlyMap<string, unknown>;
  } = {},
): BackboneConfig {
  const file = options.file ?? "config.json";
  if (!isJsonObject(config)) throw new CheckpointError(`${file}: not a JSON object`);
  const modelType = config.model_type;
  const known = Object.keys(PARSERS);
  const parse = typeof modelType === "string" && Object.hasOwn(PARSERS, modelType) ? PARSERS[modelType] : undefined;
  if (!parse) {
    throw new CheckpointError(`${file}: "model_type" is ${shown(modelType)}, expected one of ${known.join(", ")}`);
  }
  const { generationConfig, maxPositions, tensors } = options;
  const parsed = parse(config, { file, generationConfig, maxPositions, tensors });
  refuseTooManyLayers(parsed, config, file, tensors);
  return parsed;
}

/**
 * Every layer has at least one tensor of its own. What a layer has exactly is compared later, once the number is known
 * to be small.
 */
function refuseTooManyLayers(
  parsed: BackboneConfig,
  config: JsonObject,
  file: string,
  tensors: ReadonlyMap<string, unknown> | undefined,
): void {
  const most = tensors?.size ?? Number.POSITIVE_INFINITY;
  for (const layers of [parsed.layers, ...("encoderLayers" in parsed ? [parsed.encoderLayers] : [])]) {
    if (layers <= most) continue;
    const key = Object.keys(config).find((name) => config[name] === layers);
    throw new CheckpointError(
      `${file}: ${key ? shown(key) : "the number of layers"} is ${layers}, but the weights have only ${most} ` +
        "tensors in all. Check that config.json and the safetensors files belong to the same model and revision",
    );
  }
}
