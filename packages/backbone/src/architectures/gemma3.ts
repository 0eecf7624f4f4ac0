// Gemma 3 for text (Gemma Team 2025): embeddings times √K, RMSNorm before and after each part of a block, norms on
// queries and keys, GeGLU, local layers with a window and rotary positions of their own. Names as in the checkpoint.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { Gemma3Config } from "../checkpoint/config-gemma3.js";
import type { Architecture, DecoderInputs, DecoderOutputs, KeyValues } from "./architecture.js";
import { type BlockTokens, blockTokens } from "./attention.js";
import { gatedCost, gatedMlp } from "./gated-mlp.js";
import { linear, linearWeights, type Weight, withHead } from "./linear.js";
import { type Rotation, rotation } from "./rope.js";
import { rotaryAttention } from "./rotary-attention.js";

// Shape legend: N vocabulary rows, K width, F inner width, H heads, G key/value heads, D head size, n = B·T tokens.

const NORMS = [
  "input_layernorm",
  "post_attention_layernorm",
  "pre_feedforward_layernorm",
  "post_feedforward_layernorm",
];

export const gemma3: Architecture<Gemma3Config> = {
  embeddingName: "model.embed_tokens.weight",
  headName: "lm_head.weight",
  buffers: [/\.rotary_emb(_local)?\.inv_freq$/],

  weights(config) {
    const { hiddenSize: K, intermediateSize: F, vocabularySize: N, headSize: D, attentionBias } = config;
    const norm = (name: string, width: number) => ({ name: `${name}.weight`, shape: [width] });
    const layer = (prefix: string) => [
      ...NORMS.map((name) => norm(`${prefix}.${name}`, K)),
      ...linearWeights(`${prefix}.self_attn.q_proj`, K, config.heads * D, attentionBias),
      ...linearWeights(`${prefix}.self_attn.k_proj`, K, config.keyValueHeads * D, attentionBias),
      ...linearWeights(`${prefix}.self_attn.v_proj`, K, config.keyValueHeads * D, attentionBias),
      ...linearWeights(`${prefix}.self_attn.o_proj`, config.heads * D, K, attentionBias),
      norm(`${prefix}.self_attn.q_norm`, D),
      norm(`${prefix}.self_attn.k_norm`, D),
      ...linearWeights(`${prefix}.mlp.gate_proj`, K, F, false),
      ...linearWeights(`${prefix}.mlp.up_proj`, K, F, false),
      ...linearWeights(`${prefix}.mlp.down_proj`, F, K, false),
    ];
    const stack = [
      { name: "model.embed_tokens.weight", shape: [N, K] },
      ...Array.from({ length: config.layers }, (_, i) => layer(`model.layers.${i}`)).flat(),
      norm("model.norm", K),
    ];
    return withHead(stack, "model.", config.tieWordEmbeddings, ["lm_head.weight"], [N, K]);
  },

  cost: gatedCost,

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const rotations = { global: rotation(graph, config.rope.global), local: rotation(graph, config.rope.local) };
    const norm = (name: string, x: Value) => shiftedNorm(graph, config, weight, name, x);
    // Users and items are scaled like words: a row of a table is to the LM what a row of the vocabulary matrix is.
    let x = op.Mul(inputs.embeddings, Math.sqrt(config.hiddenSize));
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      const prefix = `model.layers.${i}`;
      graph.scope(prefix, () => {
        const tokens = blockTokens(graph, inputs, i, config.layers);
        const turn = config.localLayers[i] ? rotations.local : rotations.global;
        const normed = norm(`${prefix}.input_layernorm`, x);
        const attention = selfAttention(graph, config, weight, inputs, tokens, turn, i, normed);
        present.push(attention.present);
        x = op.Add(tokens.finished(x), norm(`${prefix}.post_attention_layernorm`, attention.output));
        const mlp = { ...config, mlpBias: false, fusedProjections: false };
        const inner = gatedMlp(graph, mlp, weight, `${prefix}.mlp`, norm(`${prefix}.pre_feedforward_layernorm`, x));
        x = op.Add(x, norm(`${prefix}.post_feedforward_layernorm`, inner));
      });
    }
    return { hiddenStates: norm("model.norm", x), present };
  },
};

/** RMSNorm whose scale is 1 + weight. */
function shiftedNorm(graph: Graph, { normEpsilon }: Gemma3Config, weight: Weight, name: string, x: Value): Value {
  const scale = graph.op.Add(weight(`${name}.weight`), 1);
  return graph.op.RMSNormalization(x, scale, { axis: -1, epsilon: normEpsilon });
}

function selfAttention(
  graph: Graph,
  config: Gemma3Config,
  weight: Weight,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  turn: Rotation,
  layer: number,
  x: Value,
): { output: Value; present: KeyValues } {
  const { heads, keyValueHeads, headSize, attentionBias } = config;
  const name = `model.layers.${layer}.self_attn`;
  const project = (part: string, rows: Value) => linear(graph, weight, `${name}.${part}`, rows, attentionBias);
  const { output, present } = rotaryAttention(
    graph,
    {
      heads,
      keyValueHeads,
      headSize,
      scale: config.queryScalar ** -0.5,
      rotation: turn,
      norm: {
        query: (rows) => shiftedNorm(graph, config, weight, `${name}.q_norm`, rows),
        keys: (rows) => shiftedNorm(graph, config, weight, `${name}.k_norm`, rows),
      },
      window: config.windows[layer]!,
      dropout: config.dropout.attention,
    },
    { query: project("q_proj", tokens.queries(x)), keys: project("k_proj", x), values: project("v_proj", x) },
    inputs,
    tokens,
    layer,
  );
  return { output: project("o_proj", output), present };
}
