// OPT (Zhang et al. 2022) and Galactica: learned positions from the third row on, LayerNorm before or after each part
// of a block, biases. OPT-350m has blocks wider than its embeddings, and norms after each sum. Names as in the
// checkpoint.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { OptConfig } from "../checkpoint/config-opt.js";
import { activate } from "./activation.js";
import type { Architecture, DecoderInputs, DecoderOutputs, KeyValues } from "./architecture.js";
import { attend, type BlockTokens, blockTokens, splitHeads } from "./attention.js";
import { layerNorm, layerNormWeights, linear, linearWeights, type Weight, withHead } from "./linear.js";

// Shape legend: N vocabulary rows, K width of embeddings and final hidden states, W width of the blocks, F inner width,
// n = B·T tokens.

/** The first rows of the position matrix belong to no position: its padding index was 1. */
const FIRST_POSITION = 2;
const STACK = "model.decoder";

export const opt: Architecture<OptConfig> = {
  embeddingName: `${STACK}.embed_tokens.weight`,
  headName: "lm_head.weight",
  buffers: [],

  weights(config) {
    const { hiddenSize: K, blockWidth: W, intermediateSize: F, vocabularySize: N, bias } = config;
    const norm = (name: string) => (config.normAffine ? layerNormWeights(name, W) : []);
    const layer = (prefix: string) => [
      ...["q_proj", "k_proj", "v_proj", "out_proj"].flatMap((part) =>
        linearWeights(`${prefix}.self_attn.${part}`, W, W, bias),
      ),
      ...norm(`${prefix}.self_attn_layer_norm`),
      ...linearWeights(`${prefix}.fc1`, W, F, bias),
      ...linearWeights(`${prefix}.fc2`, F, W, bias),
      ...norm(`${prefix}.final_layer_norm`),
    ];
    const stack = [
      { name: `${STACK}.embed_tokens.weight`, shape: [N, K] },
      { name: `${STACK}.embed_positions.weight`, shape: [config.positions + FIRST_POSITION, W] },
      ...(K === W
        ? []
        : [
            ...linearWeights(`${STACK}.project_in`, K, W, false),
            ...linearWeights(`${STACK}.project_out`, W, K, false),
          ]),
      ...Array.from({ length: config.layers }, (_, i) => layer(`${STACK}.layers.${i}`)).flat(),
      ...(config.finalNorm ? norm(`${STACK}.final_layer_norm`) : []),
    ];
    return withHead(stack, "model.", config.tieWordEmbeddings, ["lm_head.weight"], [N, K]);
  },

  cost({ hiddenSize: K, blockWidth: W, intermediateSize: F, layers }) {
    const finishing = W * W + 2 * W * F; // out_proj and MLP
    const projection = K === W ? 0 : K * W; // in for every token, out for wanted ones
    return {
      token: layers * 3 * W * W + (layers - 1) * finishing + projection,
      wanted: finishing + projection,
      pair: 2 * layers * W,
    };
  },

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const { hiddenSize: K, blockWidth: W, normBefore } = config;
    const rows = op.Add(op.Reshape(inputs.positions, [-1]), FIRST_POSITION);
    const positions = op.Gather(weight(`${STACK}.embed_positions.weight`), rows); // [n, W]
    const project = (name: string, x: Value) => (K === W ? x : linear(graph, weight, `${STACK}.${name}`, x, false));
    const drop = (x: Value) => inputs.dropout(x, config.dropout.residual);
    let x = op.Add(project("project_in", inputs.embeddings), positions);
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      const prefix = `${STACK}.layers.${i}`;
      graph.scope(prefix, () => {
        const before = (name: string, value: Value) => (normBefore ? norm(graph, config, weight, name, value) : value);
        const after = (name: string, value: Value) => (normBefore ? value : norm(graph, config, weight, name, value));
        const tokens = blockTokens(graph, inputs, i, config.layers);
        const normed = before(`${prefix}.self_attn_layer_norm`, x);
        const attention = selfAttention(graph, config, weight, inputs, tokens, i, normed);
        present.push(attention.present);
        x = after(`${prefix}.self_attn_layer_norm`, op.Add(tokens.finished(x), drop(attention.output)));
        const inner = linear(graph, weight, `${prefix}.fc1`, before(`${prefix}.final_layer_norm`, x), config.bias);
        const outer = linear(graph, weight, `${prefix}.fc2`, activate(graph, config.activation, inner), config.bias);
        x = after(`${prefix}.final_layer_norm`, op.Add(x, drop(outer)));
      });
    }
    const last = config.finalNorm ? norm(graph, config, weight, `${STACK}.final_layer_norm`, x) : x;
    return { hiddenStates: project("project_out", last), present };
  },
};

function norm(graph: Graph, config: OptConfig, weight: Weight, name: string, x: Value): Value {
  const { blockWidth, normAffine, normEpsilon: epsilon } = config;
  if (normAffine) return layerNorm(graph, weight, name, x, epsilon);
  const ones = graph.constant(new Array<number>(blockWidth).fill(1));
  return graph.op.LayerNormalization(x, ones, undefined, { axis: -1, epsilon });
}

function selfAttention(
  graph: Graph,
  { heads, headSize, bias, dropout }: OptConfig,
  weight: Weight,
  inputs: DecoderInputs,
  tokens: BlockTokens,
  layer: number,
  x: Value,
): { output: Value; present: KeyValues } {
  const name = `${STACK}.layers.${layer}.self_attn`;
  const project = (part: string, rows: Value, positions: Value) =>
    splitHeads(graph, linear(graph, weight, `${name}.${part}`, rows, bias), positions, heads, headSize);
  const { output, present } = attend(
    graph,
    { heads, keyValueHeads: heads, headSize },
    project("q_proj", tokens.queries(x), tokens.positions),
    { keys: project("k_proj", x, inputs.positions), values: project("v_proj", x, inputs.positions) },
    { positions: tokens.positions, attentionBias: tokens.attentionBias(), dropout: inputs.dropout },
    inputs.past?.[layer],
    dropout.attention,
  );
  return { output: linear(graph, weight, `${name}.out_proj`, tokens.finishedQueries(output), bias), present };
}
