// Which keys of a config.json an architecture understands, which are harmless, and which change the computation without
// being understood. The first are parsed, the second ignored, the third refused by name; the rest is reported
// once (see open-model.ts).
//
// A new architecture declares its keys once and parses through the declaration:
//
//   const keys = configKeys({
//     understood: {
//       ...commonFields,
//       vocab_size: count,
//       n_layer: layerCount,
//       embedding_multiplier: z.number().default(1),
//     },
//     // keys of this architecture that never change hidden states, logits or gradients
//     harmless: ["summary_type"],
//     // keys beyond CHANGING below, each with the values at which it changes nothing
//     changing: { use_conv: [false] },
//   });
//   type Fields = z.infer<typeof keys.schema>;
//
//   export function parseXConfig(config: JsonObject, context: ConfigContext): XConfig {
//     // throws for a changing key, then for a field that is out of range
//     const fields = parseFields(keys, config, context);
//     refuseCommon(fields, context);
//     return { …, unrecognisedKeys: unrecognised(keys, config) };
//   }
//
// Sizes that no weight's shape shows need a bound of their own, as `layerCount` has: whatever the parser, the graphs or
// the tables allocate by a number of this file must be small before that number has been compared with the weights.
//
// A key under `understood` or `harmless` is exempt from CHANGING: `embedding_multiplier` above is parsed, everywhere
// else it is refused.
import { z } from "zod";
import { CheckpointError, shown } from "./errors.js";
import type { JsonObject } from "./json.js";

/** The keys of one architecture by what they do; made by {@link configKeys}. */
export interface ConfigKeys<S extends z.ZodObject = z.ZodObject> {
  /** The keys that the parser reads and acts on. */
  readonly schema: S;
  readonly harmless: ReadonlySet<string>;
  /** Keys that change the computation and are not understood, with the values at which they change nothing. */
  readonly changing: Readonly<Record<string, readonly unknown[]>>;
}

/** Declares an architecture's keys; the head of this file shows how. */
export function configKeys<S extends z.ZodRawShape>(declaration: {
  readonly understood: S;
  readonly harmless?: readonly string[];
  readonly changing?: Readonly<Record<string, readonly unknown[]>>;
}): ConfigKeys<z.ZodObject<S>> {
  const { understood, harmless = [], changing = {} } = declaration;
  return {
    schema: z.object(understood) as z.ZodObject<S>,
    harmless: new Set([...WITHOUT_EFFECT, ...harmless]),
    changing,
  };
}

/** Keys that say how a model was made, stored, or is to be sampled from; none changes logits. */
const WITHOUT_EFFECT = (
  "_attn_implementation _attn_implementation_autoset _commit_hash _name_or_path _num_labels architectures " +
  "chunk_size_feed_forward dtype finetuning_task gradient_checkpointing id2label initializer_range is_decoder " +
  "label2id model_type output_attentions output_hidden_states output_past prefix pretraining_tp problem_type " +
  "return_dict sep_token_id decoder_start_token_id task_specific_params tokenizer_class torch_dtype torchscript " +
  "transformers_version unsloth_version unsloth_fixed use_bfloat16 use_cache " +
  // Sampling defaults that older versions wrote here:
  "bad_words_ids begin_suppress_tokens diversity_penalty do_sample early_stopping encoder_no_repeat_ngram_size " +
  "exponential_decay_length_penalty forced_bos_token_id forced_eos_token_id length_penalty max_length min_length " +
  "no_repeat_ngram_size num_beam_groups num_beams num_return_sequences output_scores remove_invalid_values " +
  "repetition_penalty return_dict_in_generate suppress_tokens temperature tf_legacy_loss tie_encoder_decoder top_k " +
  "top_p typical_p"
).split(" ");

/**
 * Keys that change the computation of some architecture of transformers without adding a weight, so that the accounting
 * of weights cannot notice them. `null` never changes anything; the other neutral values come with each line.
 */
const CHANGING: readonly { readonly keys: RegExp; readonly neutral: readonly unknown[] }[] = [
  // Scales: Granite, MiniCPM, Cohere, Falcon-H1, Gemma.
  { keys: /^(attention_multiplier|attention_scale|query_pre_attn_scalar)$/, neutral: [] }, // 1 is not 1/√headSize
  { keys: /_multipliers?$/, neutral: [1] },
  { keys: /^(logits?_scal(e|ing)|scale_(emb|embeddings?|depth)|embedding_scale|dim_model_base)$/, neutral: [1, false] },
  { keys: /^(mup_.*|use_mup.*)$/, neutral: [false] },
  { keys: /soft_?cap/, neutral: [false] },
  // Positions: SmolLM3, Llama 4, Falcon, GPT-NeoX, Phi.
  { keys: /^(no_rope_layer.*|nope_layer_interval|use_rope|rope_.*|partial_rotary_factor)$/, neutral: [] },
  { keys: /^(rotary_.*|alibi|use_alibi|attn_temperature_tuning)$/, neutral: [false] },
  { keys: /^position_embedding_type$/, neutral: ["absolute"] },
  // What attends to what, and how.
  { keys: /^(is_causal)$/, neutral: [true] },
  {
    keys: /^(use_bidirectional_attention|bidirectional|attention_chunk_size|cross_attention_layers)$/,
    neutral: [false],
  },
  { keys: /^(sliding_window.*|use_sliding_window|attention_types|global_attn.*|local_attention)$/, neutral: [false] },
  { keys: /^layer_types$/, neutral: [] },
  { keys: /^(clip_qkv|qk_norm|use_qk_norm|qk_layernorm|query_key_layernorm)$/, neutral: [false] },
  // The order of a block's parts.
  { keys: /^(parallel_attn|use_parallel_residual|parallel_residual|new_decoder_architecture)$/, neutral: [false] },
  { keys: /^(apply_residual_connection_post_layernorm|do_layer_norm_before|norm_after)$/, neutral: [] },
  { keys: /^(hidden_activation|norm_type|layer_norm_type)$/, neutral: [] },
  // Experts.
  { keys: /^(num_(local_)?experts|n_routed_experts|num_experts_per_tok|moe_.*)$/, neutral: [0, false] },
];

/** @throws CheckpointError naming the first key of `config` that changes the computation and is not understood */
export function refuseChanging(keys: ConfigKeys, config: JsonObject, file: string): void {
  for (const [key, value] of Object.entries(config)) {
    if (value == null || Object.hasOwn(keys.schema.shape, key) || keys.harmless.has(key)) continue;
    const neutral = Object.hasOwn(keys.changing, key)
      ? keys.changing[key]
      : CHANGING.find(({ keys: pattern }) => pattern.test(key))?.neutral;
    if (neutral === undefined || neutral.includes(value)) continue;
    const accepted = [...neutral.map(shown), "it absent"].join(", or ");
    throw new CheckpointError(
      `${file}: ${shown(key)} is ${shown(value)}, which changes the computation in a way that is not supported here; ` +
        `expected ${accepted}. Use a model without this feature`,
    );
  }
}

/** Keys that are neither understood, nor harmless, nor known to change the computation. */
export function unrecognised(keys: ConfigKeys, config: JsonObject): string[] {
  return Object.keys(config).filter(
    (key) =>
      !Object.hasOwn(keys.schema.shape, key) &&
      !keys.harmless.has(key) &&
      !Object.hasOwn(keys.changing, key) &&
      !CHANGING.some(({ keys: pattern }) => pattern.test(key)),
  );
}
