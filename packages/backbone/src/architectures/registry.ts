// model_type → architecture. Adding one: its file, one line here, its config parser.
import type { BackboneConfig } from "../checkpoint/config.js";
import type { Architecture } from "./architecture.js";
import { gemma3 } from "./gemma3.js";
import { gptNeox } from "./gpt-neox.js";
import { gpt2 } from "./gpt2.js";
import { llama } from "./llama.js";
import { opt } from "./opt.js";
import { t5 } from "./t5.js";

const architectures = {
  gemma3_text: gemma3,
  gpt2,
  gpt_neox: gptNeox,
  llama,
  mistral: llama,
  mt5: t5,
  opt,
  phi3: llama,
  qwen2: llama,
  qwen3: llama,
  smollm3: llama,
  t5,
  umt5: t5,
} as const;

/** The architecture of a parsed config. */
export function architectureOf(config: BackboneConfig): Architecture {
  return architectures[config.modelType] as Architecture;
}
