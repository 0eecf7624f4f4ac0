// The Llama family (Touvron et al. 2023; Mistral, Qwen2): RMSNorm, rotary positions, grouped-query attention, SwiGLU. Names as in the checkpoint.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { LlamaConfig } from "../checkpoint/config-llama.js";
import type { Architecture, DecoderInputs, DecoderOutputs, KeyValues } from "./architecture.js";
import { attend, type BlockTokens, blockTokens, splitHeads } from "./attention.js";
import { type RotaryTables, rotaryTables, rotate } from "./rope.js";

// Shape legend: N vocabulary rows, K width, F inner width, H heads, G key/value heads, D head size, n = B·T tokens.

export const llama: Architecture<LlamaConfig> = {
  embeddingName: "model.embed_tokens.weight",
  headName: "lm_head.weight",
  buffers: [/\.rotary_emb\.inv_freq$/],

  weights(config) {
    const { hiddenSize: K, intermediateSize: F, layers, vocabularySize: N, attentionBias, mlpBias } = config;
    const queries = config.heads * config.headSize;
    const keys = config.keyValueHeads * config.headSize;
    const linear = (name: string, from: number, to: number, bias: boolean) => [
      { name: `${name}.weight`, shape: [to, from] }, // Linear: [out, in]
      ...(bias ? [{ name: `${name}.bias`, shape: [to] }] : []),
    ];
    const layer = (prefix: string) => [
      { name: `${prefix}.input_layernorm.weight`, shape: [K] },
      ...linear(`${prefix}.self_attn.q_proj`, K, queries, attentionBias.queryKeyValue),
      ...linear(`${prefix}.self_attn.k_proj`, K, keys, attentionBias.queryKeyValue),
      ...linear(`${prefix}.self_attn.v_proj`, K, keys, attentionBias.queryKeyValue),
      ...linear(`${prefix}.self_attn.o_proj`, queries, K, attentionBias.output),
      { name: `${prefix}.post_attention_layernorm.weight`, shape: [K] },
      ...linear(`${prefix}.mlp.gate_proj`, K, F, mlpBias),
      ...linear(`${prefix}.mlp.up_proj`, K, F, mlpBias),
      ...linear(`${prefix}.mlp.down_proj`, F, K, mlpBias),
    ];
    // A base model (`LlamaModel`) is saved without the prefix.
    const bare = (name: string) => name.slice("model.".length);
    const inner = [
      ...Array.from({ length: layers }, (_, i) => layer(`model.layers.${i}`)).flat(),
      { name: "model.norm.weight", shape: [K] },
    ].map((weight) => ({ ...weight, aliases: [bare(weight.name)] }));
    const embedding = { name: "model.embed_tokens.weight", shape: [N, K], aliases: ["embed_tokens.weight"] };
    return config.tieWordEmbeddings
      ? [{ ...embedding, aliases: [...embedding.aliases, "lm_head.weight"] }, ...inner]
      : [embedding, ...inner, { name: "lm_head.weight", shape: [N, K] }];
  },

  cost({ hiddenSize: K, intermediateSize: F, layers, heads, keyValueHeads, headSize }) {
    const projections = K * (heads + 2 * keyValueHeads) * headSize;
    const finishing = heads * headSize * K + 3 * K * F; // o_proj and MLP
    return {
      token: layers * projections + (layers - 1) * finishing,
      wanted: finishing,
      pair: 2 * layers * heads * headSize,
    };
  },

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const tables = graph.scope("rope", () => rotaryTables(graph, config, inputs.positions));
    const norm = (name: string, value: Value) =>
      op.RMSNormalization(value, weight(`${name}.weight`), { axis: -1, epsilon: config.normEpsilon });
    let x = inputs.embeddings;
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      const prefix = `model.layers.${i}`;
      graph.scope(prefix, () => {
        const tokens = blockTokens(graph, inputs, i, config.layers);
        const normed = norm(`${prefix}.input_layernorm`, x);
        const attention = selfAttention(graph, config, weight, inputs, tokens, tables, i, normed);
        present.push(attention.present);
        x = op.Add(tokens.finished(x), attention.output);
        x = op.Add(x, mlp(graph, config, weight, `${prefix}.mlp`, norm(`${prefix}.post_attention_layernorm`, x)));
      });
    }
    return { hiddenStates: norm("model.norm", x), present };
  },
};

type Weight = (name: string) => Value;

/** x·Wᵀ (+ b) with Linear's [out, in] layout. */
function linear(graph: Graph, weight: Weight, name: string, x: Value, bias: boolean): Value {
  const product = graph.op.FusedMatMul(x, weight(`${name}.weight`), { transB: 1 });
  return bias ? graph.op.Add(product, weight(`${name}.bias`)) : product;
}

function selfAttention(
  graph: Graph,
  config: LlamaConfig,
  weight: Weight,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  tables: RotaryTables,
  layer: number,
  x: Value,
): { output: Value; present: KeyValues } {
  const { heads, keyValueHeads, headSize, attentionBias, dropout } = config;
  const name = `model.layers.${layer}.self_attn`;
  const project = (part: string, of: Value, positions: Value, count: number) => {
    const projected = linear(graph, weight, `${name}.${part}`, of, attentionBias.queryKeyValue);
    return splitHeads(graph, projected, positions, count, headSize);
  };
  const { positions } = tokens;
  const ownTables = positions === inputs.positions ? tables : rotaryTables(graph, config, positions);
  const query = rotate(graph, project("q_proj", tokens.queries(x), positions, heads), ownTables);
  const keys = rotate(graph, project("k_proj", x, inputs.positions, keyValueHeads), tables);
  const values = project("v_proj", x, inputs.positions, keyValueHeads);
  const { output, present } = attend(
    graph,
    { heads, keyValueHeads, headSize },
    query,
    { keys, values },
    { ...tokens, dropout: inputs.dropout },
    inputs.past?.[layer],
    dropout.attention,
  );
  const finished = tokens.finishedQueries(output);
  return { output: linear(graph, weight, `${name}.o_proj`, finished, attentionBias.output), present };
}

/** SwiGLU (Shazeer 2020): (silu(x·Gᵀ) ∘ x·Uᵀ)·Dᵀ, with silu(g) = g·σ(g). */
function mlp(graph: Graph, { mlpBias }: LlamaConfig, weight: Weight, name: string, x: Value): Value {
  const { op } = graph;
  const gate = linear(graph, weight, `${name}.gate_proj`, x, mlpBias); // [n, F]
  const up = linear(graph, weight, `${name}.up_proj`, x, mlpBias); // [n, F]
  return linear(graph, weight, `${name}.down_proj`, op.Mul(op.Mul(gate, op.Sigmoid(gate)), up), mlpBias);
}
