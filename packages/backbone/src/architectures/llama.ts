// The Llama family (Touvron et al. 2023; Mistral, Qwen2, Qwen3, SmolLM3, Phi-3): RMSNorm, rotary positions,
// grouped-query attention, SwiGLU. What differs between its members is a field of the config. Names as in the
// checkpoint.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { LlamaConfig } from "../checkpoint/config-llama.js";
import type { Architecture, DecoderInputs, DecoderOutputs, KeyValues } from "./architecture.js";
import { type BlockTokens, blockTokens } from "./attention.js";
import { gatedCost, gatedMlp } from "./gated-mlp.js";
import { linear, linearWeights, type Weight, withHead } from "./linear.js";
import { type Rotation, rotation } from "./rope.js";
import { type Projections, rotaryAttention } from "./rotary-attention.js";

// Shape legend: N vocabulary rows, K width, F inner width, H heads, G key/value heads, D head size, n = B·T tokens.

export const llama: Architecture<LlamaConfig> = {
  embeddingName: "model.embed_tokens.weight",
  headName: "lm_head.weight",
  buffers: [/\.rotary_emb\.inv_freq$/],

  weights(config) {
    const { hiddenSize: K, intermediateSize: F, layers, vocabularySize: N, attentionBias, mlpBias } = config;
    const queries = config.heads * config.headSize;
    const keys = config.keyValueHeads * config.headSize;
    const biased = attentionBias.queryKeyValue;
    const norm = (name: string, width: number) => ({ name: `${name}.weight`, shape: [width] });
    const layer = (prefix: string) => [
      norm(`${prefix}.input_layernorm`, K),
      ...(config.fusedProjections
        ? linearWeights(`${prefix}.self_attn.qkv_proj`, K, queries + 2 * keys, biased)
        : [
            ...linearWeights(`${prefix}.self_attn.q_proj`, K, queries, biased),
            ...linearWeights(`${prefix}.self_attn.k_proj`, K, keys, biased),
            ...linearWeights(`${prefix}.self_attn.v_proj`, K, keys, biased),
          ]),
      ...(config.queryKeyNorm ? ["q_norm", "k_norm"] : []).map((part) =>
        norm(`${prefix}.self_attn.${part}`, config.headSize),
      ),
      ...linearWeights(`${prefix}.self_attn.o_proj`, queries, K, attentionBias.output),
      norm(`${prefix}.post_attention_layernorm`, K),
      ...(config.fusedProjections
        ? linearWeights(`${prefix}.mlp.gate_up_proj`, K, 2 * F, mlpBias)
        : [
            ...linearWeights(`${prefix}.mlp.gate_proj`, K, F, mlpBias),
            ...linearWeights(`${prefix}.mlp.up_proj`, K, F, mlpBias),
          ]),
      ...linearWeights(`${prefix}.mlp.down_proj`, F, K, mlpBias),
    ];
    const stack = [
      { name: "model.embed_tokens.weight", shape: [N, K] },
      ...Array.from({ length: layers }, (_, i) => layer(`model.layers.${i}`)).flat(),
      norm("model.norm", K),
    ];
    return withHead(stack, "model.", config.tieWordEmbeddings, ["lm_head.weight"], [N, K]);
  },

  cost: gatedCost,

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const { residual } = config.dropout;
    const turn = rotation(graph, config.rope);
    const norm = (name: string, value: Value) =>
      op.RMSNormalization(value, weight(`${name}.weight`), { axis: -1, epsilon: config.normEpsilon });
    let x = inputs.embeddings;
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      const prefix = `model.layers.${i}`;
      graph.scope(prefix, () => {
        const tokens = blockTokens(graph, inputs, i, config.layers);
        const normed = norm(`${prefix}.input_layernorm`, x);
        const attention = selfAttention(graph, config, weight, inputs, tokens, turn, i, normed);
        present.push(attention.present);
        x = op.Add(tokens.finished(x), inputs.dropout(attention.output, residual));
        const inner = gatedMlp(graph, config, weight, `${prefix}.mlp`, norm(`${prefix}.post_attention_layernorm`, x));
        x = op.Add(x, inputs.dropout(inner, residual));
      });
    }
    return { hiddenStates: norm("model.norm", x), present };
  },
};

function selfAttention(
  graph: Graph,
  config: LlamaConfig,
  weight: Weight,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  turn: Rotation,
  layer: number,
  x: Value,
): { output: Value; present: KeyValues } {
  const { attentionBias, queryKeyNorm, normEpsilon } = config;
  const name = `model.layers.${layer}.self_attn`;
  const headNorm = (part: string) => (heads: Value) =>
    graph.op.RMSNormalization(heads, weight(`${name}.${part}.weight`), { axis: -1, epsilon: normEpsilon });
  const { output, present } = rotaryAttention(
    graph,
    {
      ...config,
      rotation: config.rotaryLayers[layer] ? turn : null,
      ...(queryKeyNorm && { norm: { query: headNorm("q_norm"), keys: headNorm("k_norm") } }),
      window: config.windows[layer]!,
      dropout: config.dropout.attention,
    },
    project(graph, config, weight, name, tokens, x),
    inputs,
    tokens,
    layer,
  );
  return { output: linear(graph, weight, `${name}.o_proj`, output, attentionBias.output), present };
}

/** Queries, keys and values of a block: [n, K] → three matrices, from one product each or from one for all three. */
function project(
  graph: Graph,
  { heads, keyValueHeads, headSize, attentionBias, fusedProjections }: LlamaConfig,
  weight: Weight,
  name: string,
  tokens: BlockTokens,
  x: Value,
): Projections {
  const biased = attentionBias.queryKeyValue;
  if (!fusedProjections) {
    const of = (part: string, rows: Value) => linear(graph, weight, `${name}.${part}`, rows, biased);
    return { query: of("q_proj", tokens.queries(x)), keys: of("k_proj", x), values: of("v_proj", x) };
  }
  const widths = [heads, keyValueHeads, keyValueHeads].map((count) => count * headSize);
  const joined = linear(graph, weight, `${name}.qkv_proj`, x, biased); // [n, (H+2G)·D]
  const [query, keys, values] = graph.op.Split(joined, widths, { axis: 1 }) as [Value, Value, Value];
  return { query: tokens.queries(query), keys, values };
}
