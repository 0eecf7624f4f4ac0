// GPT-2 (Radford et al. 2019): learned positions, LayerNorm before each block, biases everywhere. Names as in the
// checkpoint.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { Gpt2Config } from "../checkpoint/config-gpt2.js";
import { activate } from "./activation.js";
import type { Architecture, DecoderInputs, DecoderOutputs, KeyValues } from "./architecture.js";
import { attend, type BlockTokens, blockTokens, splitHeads } from "./attention.js";

// Shape legend: N vocabulary rows, K width, F inner width, n = B·T tokens.

export const gpt2: Architecture<Gpt2Config> = {
  embeddingName: "wte.weight",
  headName: "lm_head.weight",
  buffers: [/^(transformer\.)?h\.\d+\.attn\.(masked_)?bias$/],

  weights({ hiddenSize: K, intermediateSize: F, layers, vocabularySize: N, positionRows, tieWordEmbeddings }) {
    const linear = (name: string, from: number, to: number) => [
      { name: `${name}.weight`, shape: [from, to] }, // Conv1D: [in, out]
      { name: `${name}.bias`, shape: [to] },
    ];
    const norm = (name: string) => ["weight", "bias"].map((part) => ({ name: `${name}.${part}`, shape: [K] }));
    const bare = [
      { name: "wpe.weight", shape: [positionRows, K] },
      ...Array.from({ length: layers }, (_, i) => [
        ...norm(`h.${i}.ln_1`),
        ...linear(`h.${i}.attn.c_attn`, K, 3 * K),
        ...linear(`h.${i}.attn.c_proj`, K, K),
        ...norm(`h.${i}.ln_2`),
        ...linear(`h.${i}.mlp.c_fc`, K, F),
        ...linear(`h.${i}.mlp.c_proj`, F, K),
      ]).flat(),
      ...norm("ln_f"),
    ].map((weight) => ({ ...weight, aliases: [`transformer.${weight.name}`] }));
    const embedding = { name: "wte.weight", shape: [N, K], aliases: ["transformer.wte.weight"] };
    return tieWordEmbeddings
      ? [{ ...embedding, aliases: [...embedding.aliases, "lm_head.weight"] }, ...bare]
      : [embedding, ...bare, { name: "lm_head.weight", shape: [N, K] }];
  },

  cost({ hiddenSize: K, intermediateSize: F, layers }) {
    const finishing = K * K + 2 * K * F; // c_proj and MLP
    return { token: layers * 3 * K * K + (layers - 1) * finishing, wanted: finishing, pair: 2 * layers * K };
  },

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const { dropout } = inputs;
    const positions = op.Gather(weight("wpe.weight"), op.Reshape(inputs.positions, [-1])); // [n, K]
    let x = dropout(op.Add(inputs.embeddings, positions), config.dropout.embedding);
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      graph.scope(`h.${i}`, () => {
        const norm = (name: string, value: Value) => layerNorm(graph, config, weight, `h.${i}.${name}`, value);
        const tokens = blockTokens(graph, inputs, i, config.layers);
        const attention = attentionBlock(graph, config, weight, inputs, tokens, i, norm("ln_1", x));
        present.push(attention.present);
        x = op.Add(tokens.finished(x), dropout(attention.output, config.dropout.residual));
        x = op.Add(x, dropout(mlpBlock(graph, config, weight, i, norm("ln_2", x)), config.dropout.residual));
      });
    }
    return { hiddenStates: layerNorm(graph, config, weight, "ln_f", x), present };
  },
};

type Weight = (name: string) => Value;

function layerNorm(graph: Graph, { normEpsilon }: Gpt2Config, weight: Weight, name: string, x: Value): Value {
  return graph.op.LayerNormalization(x, weight(`${name}.weight`), weight(`${name}.bias`), {
    axis: -1,
    epsilon: normEpsilon,
  });
}

/** x·W + b with Conv1D's [in, out] layout. */
function conv1d(graph: Graph, weight: Weight, name: string, x: Value): Value {
  return graph.op.Add(graph.op.MatMul(x, weight(`${name}.weight`)), weight(`${name}.bias`));
}

function attentionBlock(
  graph: Graph,
  { hiddenSize: K, heads, headSize, dropout }: Gpt2Config,
  weight: Weight,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  layer: number,
  x: Value,
): { output: Value; present: KeyValues } {
  const joined = conv1d(graph, weight, `h.${layer}.attn.c_attn`, x); // [n, 3K]
  const [q, k, v] = graph.op.Split(joined, [K, K, K], { axis: 1 }) as [Value, Value, Value];
  const split = (part: Value, positions: Value) => splitHeads(graph, part, positions, heads, headSize);
  const { output, present } = attend(
    graph,
    { heads, keyValueHeads: heads, headSize },
    split(tokens.queries(q), tokens.positions),
    { keys: split(k, inputs.positions), values: split(v, inputs.positions) },
    { positions: tokens.positions, attentionBias: tokens.attentionBias(), dropout: inputs.dropout },
    inputs.past?.[layer],
    dropout.attention,
  );
  const finished = tokens.finishedQueries(output);
  return { output: conv1d(graph, weight, `h.${layer}.attn.c_proj`, finished), present };
}

function mlpBlock(graph: Graph, { activation }: Gpt2Config, weight: Weight, layer: number, x: Value): Value {
  const inner = conv1d(graph, weight, `h.${layer}.mlp.c_fc`, x); // [n, F]
  return conv1d(graph, weight, `h.${layer}.mlp.c_proj`, activate(graph, activation, inner));
}
