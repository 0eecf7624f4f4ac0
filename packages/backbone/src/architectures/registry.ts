// model_type → architecture. Adding one: its file, one line here, its config parser.
import type { BackboneConfig } from "../checkpoint/config.js";
import type { Architecture } from "./architecture.js";
import { gpt2 } from "./gpt2.js";
import { llama } from "./llama.js";
import { t5 } from "./t5.js";

const architectures = { gpt2, llama, mistral: llama, qwen2: llama, t5 } as const;

/** The architecture of a parsed config. */
export function architectureOf(config: BackboneConfig): Architecture {
  return architectures[config.modelType] as Architecture;
}
