// GPT-NeoX and Pythia (Black et al. 2022): one matrix for queries, keys and values, head by head; rotary positions in a
// part of each head; attention and MLP beside each other. Names as in the checkpoint.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { GptNeoxConfig } from "../checkpoint/config-gpt-neox.js";
import { activate } from "./activation.js";
import type { Architecture, DecoderInputs, DecoderOutputs, KeyValues } from "./architecture.js";
import { type BlockTokens, blockTokens } from "./attention.js";
import { layerNorm, layerNormWeights, linear, linearWeights, type Weight, withHead } from "./linear.js";
import { type Rotation, rotation } from "./rope.js";
import { type Projections, rotaryAttention } from "./rotary-attention.js";

// Shape legend: N vocabulary rows, K width, F inner width, H heads, D head size, n = B·T tokens.

/** The head's name in checkpoints, and in transformers 5. */
const HEAD = ["embed_out.weight", "lm_head.weight"] as const;

export const gptNeox: Architecture<GptNeoxConfig> = {
  embeddingName: "gpt_neox.embed_in.weight",
  headName: HEAD[0],
  buffers: [/\.attention\.(masked_)?bias$/, /\.rotary_emb\.inv_freq$/],

  weights(config) {
    const { hiddenSize: K, intermediateSize: F, vocabularySize: N, attentionBias, tieWordEmbeddings } = config;
    const layer = (prefix: string) => [
      ...layerNormWeights(`${prefix}.input_layernorm`, K),
      ...layerNormWeights(`${prefix}.post_attention_layernorm`, K),
      ...linearWeights(`${prefix}.attention.query_key_value`, K, 3 * K, attentionBias),
      ...linearWeights(`${prefix}.attention.dense`, K, K, attentionBias),
      ...linearWeights(`${prefix}.mlp.dense_h_to_4h`, K, F, true),
      ...linearWeights(`${prefix}.mlp.dense_4h_to_h`, F, K, true),
    ];
    const stack = [
      { name: "gpt_neox.embed_in.weight", shape: [N, K] },
      ...Array.from({ length: config.layers }, (_, i) => layer(`gpt_neox.layers.${i}`)).flat(),
      ...layerNormWeights("gpt_neox.final_layer_norm", K),
    ];
    return withHead(stack, "gpt_neox.", tieWordEmbeddings, HEAD, [N, K]);
  },

  cost({ hiddenSize: K, intermediateSize: F, layers }) {
    const finishing = K * K + 2 * K * F; // dense and MLP
    return { token: layers * 3 * K * K + (layers - 1) * finishing, wanted: finishing, pair: 2 * layers * K };
  },

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const turn = rotation(graph, config.rope);
    const norm = (name: string, x: Value) => layerNorm(graph, weight, name, x, config.normEpsilon);
    const drop = (x: Value) => inputs.dropout(x, config.dropout.residual);
    let x = inputs.dropout(inputs.embeddings, config.dropout.embedding);
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      const prefix = `gpt_neox.layers.${i}`;
      graph.scope(prefix, () => {
        const tokens = blockTokens(graph, inputs, i, config.layers);
        const normed = norm(`${prefix}.input_layernorm`, x);
        const attention = selfAttention(graph, config, weight, inputs, tokens, turn, i, normed);
        present.push(attention.present);
        const before = tokens.finished(x);
        const after = op.Add(before, drop(attention.output));
        const read = norm(`${prefix}.post_attention_layernorm`, config.parallelResidual ? before : after);
        const inner = activate(
          graph,
          config.activation,
          linear(graph, weight, `${prefix}.mlp.dense_h_to_4h`, read, true),
        );
        x = op.Add(after, drop(linear(graph, weight, `${prefix}.mlp.dense_4h_to_h`, inner, true)));
      });
    }
    return { hiddenStates: norm("gpt_neox.final_layer_norm", x), present };
  },
};

function selfAttention(
  graph: Graph,
  config: GptNeoxConfig,
  weight: Weight,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  turn: Rotation,
  layer: number,
  x: Value,
): { output: Value; present: KeyValues } {
  const { heads, headSize, attentionBias, dropout } = config;
  const name = `gpt_neox.layers.${layer}.attention`;
  const { output, present } = rotaryAttention(
    graph,
    { heads, keyValueHeads: heads, headSize, rotation: turn, window: null, dropout: dropout.attention },
    project(graph, config, linear(graph, weight, `${name}.query_key_value`, x, attentionBias), tokens),
    inputs,
    tokens,
    layer,
  );
  return { output: linear(graph, weight, `${name}.dense`, output, attentionBias), present };
}

/** [n, H·3·D], query, key and value of each head beside each other → [n, H·D] each. */
function project(graph: Graph, { heads, headSize }: GptNeoxConfig, joined: Value, tokens: BlockTokens): Projections {
  const { op } = graph;
  const byHead = op.Reshape(joined, [joined.dim(0), heads, 3 * headSize]);
  const parts = op.Split(byHead, [headSize, headSize, headSize], { axis: 2 }); // [n, H, D] each
  const [query, keys, values] = parts.map((part) => op.Reshape(part, [joined.dim(0), heads * headSize])) as [
    Value,
    Value,
    Value,
  ];
  return { query: tokens.queries(query), keys, values };
}
