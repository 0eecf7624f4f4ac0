// Text encoders: BERT (Devlin et al. 2019), DistilBERT, the RoBERTa family and MPNet. Learned positions, attention in
// both directions, LayerNorm after each residual sum, biases everywhere. They differ in the names of their weights;
// MPNet has relative position biases too.
import type { Dim, Graph, Value } from "@cllm4rec/onnx-grad";
import type { EncoderConfig, EncoderType } from "../checkpoint/config-encoder.js";
import type { ExpectedWeight } from "../checkpoint/weights.js";
import { activate } from "./activation.js";
import type { DropoutHook } from "./architecture.js";
import { attend, splitHeads } from "./attention.js";
import { layerNorm, layerNormWeights, linear, linearWeights, type Weight } from "./linear.js";
import { relativeBias } from "./relative-positions.js";

// Shape legend: N vocabulary rows, P position rows, K width, F inner width, H heads, D head size; B texts of T
// positions, n = B·T.

/** What MPNet's biases tell apart at most; not in its config. */
const MPNET_DISTANCE = 128;
const RELATIVE_BIAS = "encoder.relative_attention_bias.weight";

/** What the parts of a block are called. */
interface BlockNames {
  readonly query: string;
  readonly key: string;
  readonly value: string;
  readonly output: string;
  readonly attentionNorm: string;
  readonly inner: string;
  readonly outer: string;
  readonly outputNorm: string;
}

function blockNames({ modelType }: EncoderConfig, layer: number): BlockNames {
  if (modelType === "distilbert") {
    const block = `transformer.layer.${layer}`;
    return {
      query: `${block}.attention.q_lin`,
      key: `${block}.attention.k_lin`,
      value: `${block}.attention.v_lin`,
      output: `${block}.attention.out_lin`,
      attentionNorm: `${block}.sa_layer_norm`,
      inner: `${block}.ffn.lin1`,
      outer: `${block}.ffn.lin2`,
      outputNorm: `${block}.output_layer_norm`,
    };
  }
  const block = `encoder.layer.${layer}`;
  const mpnet = modelType === "mpnet";
  const attention = mpnet ? `${block}.attention.attn` : `${block}.attention.self`;
  return {
    query: `${attention}.${mpnet ? "q" : "query"}`,
    key: `${attention}.${mpnet ? "k" : "key"}`,
    value: `${attention}.${mpnet ? "v" : "value"}`,
    output: mpnet ? `${attention}.o` : `${block}.attention.output.dense`,
    attentionNorm: mpnet ? `${block}.attention.LayerNorm` : `${block}.attention.output.LayerNorm`,
    inner: `${block}.intermediate.dense`,
    outer: `${block}.output.dense`,
    outputNorm: `${block}.output.LayerNorm`,
  };
}

/** What a model with a head has before the encoder's names. */
const PREFIX: Readonly<Record<EncoderType, string>> = {
  bert: "bert",
  camembert: "roberta",
  distilbert: "distilbert",
  mpnet: "mpnet",
  roberta: "roberta",
  "xlm-roberta": "roberta",
};

/**
 * Tensors that checkpoints may hold beside the encoder's weights: position buffers, and the pooler and heads of the
 * training tasks.
 */
export const bertBuffers: readonly RegExp[] = [
  /^(\w+\.)?embeddings\.position_ids$/,
  /^(\w+\.)?pooler\.dense\.(weight|bias)$/,
  /^(cls|lm_head|classifier|pre_classifier|qa_outputs|vocab_(transform|layer_norm|projector))\./,
];

/** Every weight of the encoder, under the names of the model without a head. */
export function bertWeights(config: EncoderConfig): ExpectedWeight[] {
  const { hiddenSize: K, intermediateSize: F, layers, heads, vocabularySize: N, positionRows: P } = config;
  const weights: ExpectedWeight[] = [
    { name: "embeddings.word_embeddings.weight", shape: [N, K] },
    { name: "embeddings.position_embeddings.weight", shape: [P, K] },
    ...(config.tokenTypes > 0
      ? [{ name: "embeddings.token_type_embeddings.weight", shape: [config.tokenTypes, K] }]
      : []),
    ...layerNormWeights("embeddings.LayerNorm", K),
    ...(config.positionBuckets > 0 ? [{ name: RELATIVE_BIAS, shape: [config.positionBuckets, heads] }] : []),
  ];
  for (let layer = 0; layer < layers; layer++) {
    const names = blockNames(config, layer);
    for (const name of [names.query, names.key, names.value, names.output])
      weights.push(...linearWeights(name, K, K, true));
    weights.push(...layerNormWeights(names.attentionNorm, K));
    weights.push(...linearWeights(names.inner, K, F, true), ...linearWeights(names.outer, F, K, true));
    weights.push(...layerNormWeights(names.outputNorm, K));
  }
  return weights.map((weight) => {
    const names = [weight.name, ...oldNormName(weight.name)];
    const prefixed = names.map((name) => `${PREFIX[config.modelType]}.${name}`);
    return { ...weight, aliases: [...names.slice(1), ...prefixed] };
  });
}

/** As TensorFlow's checkpoints, and those converted from them, call scale and shift of a LayerNorm. */
function oldNormName(name: string): string[] {
  if (!/LayerNorm\.(weight|bias)$/.test(name)) return [];
  return [name.replace(/weight$/, "gamma").replace(/bias$/, "beta")];
}

export interface BertInputs {
  /** int64 [B, T] */
  readonly ids: Value;
  /** Rows of the position embeddings: int64 [B, T]. */
  readonly positions: Value;
  /** Added to the attention scores: 0 where a position holds a token, −∞ where it is padding; float32 [B, 1, 1, T]. */
  readonly attentionBias: Value;
  /** Absent: no dropout. */
  readonly dropout?: DropoutHook;
}

/**
 * Adds the forward pass to a graph.
 * @param weight gives a weight by its name in {@link bertWeights} as a value of the graph: a constant, or an input
 *   where it is trained
 * @returns hidden states after the last block: float32 [B·T, K]
 */
export function bertStates(graph: Graph, config: EncoderConfig, weight: Weight, inputs: BertInputs): Value {
  const { op } = graph;
  const { ids, positions, dropout = (x: Value) => x } = inputs;
  const length = positions.dim(1);
  let x = dropout(embed(graph, config, weight, ids, positions), config.dropout.hidden);
  const biases = [attentionBias(graph, config, weight, inputs.attentionBias, length)];
  const shape = { heads: config.heads, keyValueHeads: config.heads, headSize: config.headSize };
  for (let layer = 0; layer < config.layers; layer++) {
    const names = blockNames(config, layer);
    graph.scope(`layer.${layer}`, () => {
      const project = (name: string) =>
        // [B, H, T, D]
        splitHeads(graph, linear(graph, weight, name, x, true), positions, config.heads, config.headSize);
      const fresh = { keys: project(names.key), values: project(names.value) };
      const attention = { positions, attentionBias: biases, dropout };
      const mixed = attend(graph, shape, project(names.query), fresh, attention, undefined, config.dropout.attention);
      const attended = dropout(linear(graph, weight, names.output, mixed.output, true), config.dropout.hidden);
      x = layerNorm(graph, weight, names.attentionNorm, op.Add(attended, x), config.normEpsilon);
      const inner = activate(graph, config.activation, linear(graph, weight, names.inner, x, true)); // [n, F]
      const outer = dropout(linear(graph, weight, names.outer, inner, true), config.dropout.hidden);
      x = layerNorm(graph, weight, names.outputNorm, op.Add(outer, x), config.normEpsilon);
    });
  }
  return x;
}

/** LayerNorm of the sum of word, position and first token type embeddings: [B·T, K]. */
function embed(graph: Graph, config: EncoderConfig, weight: Weight, ids: Value, positions: Value): Value {
  const { op } = graph;
  const rows = (table: string, index: Value) =>
    op.Gather(weight(`embeddings.${table}.weight`), op.Reshape(index, [-1]));
  let sum = op.Add(rows("word_embeddings", ids), rows("position_embeddings", positions));
  if (config.tokenTypes > 0) sum = op.Add(sum, rows("token_type_embeddings", op.ints([0]))); // one row for all texts
  return layerNorm(graph, weight, "embeddings.LayerNorm", sum, config.normEpsilon);
}

/** [B, 1, 1, T], or with relative position biases [B, H, T, T]. */
function attentionBias(graph: Graph, config: EncoderConfig, weight: Weight, padding: Value, length: Dim): Value {
  if (config.positionBuckets === 0) return padding;
  const options = { positionBuckets: config.positionBuckets, maxDistance: MPNET_DISTANCE };
  return graph.op.Add(relativeBias(graph, weight(RELATIVE_BIAS), options, true, [length, length]), padding);
}
