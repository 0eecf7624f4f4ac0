// T5 1.0, 1.1, Flan-T5 and mT5 (Raffel et al. 2020): encoder and decoder with relative position biases and RMSNorm, no
// biases in linear layers. UMT5 (Chung et al. 2023) has position biases of its own in every block.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { T5Config } from "../checkpoint/config-t5.js";
import { activate } from "./activation.js";
import type { Architecture, DecoderOutputs, DropoutHook, KeyValues } from "./architecture.js";
import { type AttentionInputs, attend, blockTokens, splitHeads } from "./attention.js";
import { relativeBias } from "./relative-positions.js";

// Shape legend: N vocabulary rows, K width, F inner width, H heads, D head size (H·D need not be K); n tokens: B rows
// of T positions in the decoder, A rows of E in the encoder, V positions a row of the decoder's memory.

export const t5: Architecture<T5Config> = {
  embeddingName: "shared.weight",
  headName: "lm_head.weight",
  // Written by early versions, never used.
  buffers: [/^decoder\.block\.0\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$/],

  weights(config) {
    const { hiddenSize: K, intermediateSize: F, heads, headSize, vocabularySize: N, positionBuckets } = config;
    const inner = heads * headSize;
    const norm = (name: string) => ({ name: `${name}.weight`, shape: [K] });
    const attention = (name: string) => [
      ...["q", "k", "v"].map((part) => ({ name: `${name}.${part}.weight`, shape: [inner, K] })),
      { name: `${name}.o.weight`, shape: [K, inner] },
    ];
    const feedForward = (name: string) => [
      ...(config.gated ? ["wi_0", "wi_1"] : ["wi"]).map((part) => ({ name: `${name}.${part}.weight`, shape: [F, K] })),
      { name: `${name}.wo.weight`, shape: [K, F] },
    ];
    const stack = (name: "encoder" | "decoder", blocks: number) => [
      ...Array.from({ length: blocks }, (_, i) => {
        const layer = `${name}.block.${i}.layer`;
        const last = name === "decoder" ? 2 : 1;
        return [
          ...(i === 0 || config.biasInEveryBlock
            ? [{ name: biasTable(name, i), shape: [positionBuckets, heads] }]
            : []),
          norm(`${layer}.0.layer_norm`),
          ...attention(`${layer}.0.SelfAttention`),
          ...(name === "decoder" ? [norm(`${layer}.1.layer_norm`), ...attention(`${layer}.1.EncDecAttention`)] : []),
          norm(`${layer}.${last}.layer_norm`),
          ...feedForward(`${layer}.${last}.DenseReluDense`),
        ];
      }).flat(),
      norm(`${name}.final_layer_norm`),
    ];
    const embedding = {
      name: "shared.weight",
      shape: [N, K],
      aliases: [
        "encoder.embed_tokens.weight",
        "decoder.embed_tokens.weight",
        ...(config.tieWordEmbeddings ? ["lm_head.weight"] : []),
      ],
    };
    return [
      embedding,
      ...stack("encoder", config.encoderLayers),
      ...stack("decoder", config.layers),
      ...(config.tieWordEmbeddings ? [] : [{ name: "lm_head.weight", shape: [N, K] }]),
    ];
  },

  cost({ hiddenSize: K, intermediateSize: F, heads, headSize, layers, encoderLayers, gated }) {
    const projection = K * heads * headSize;
    const feedForward = (gated ? 3 : 2) * K * F;
    const finishing = projection + feedForward; // o of the cross-attention, and the feed-forward
    const pair = 2 * heads * headSize;
    return {
      // q, k, v, o of the self-attention, and q of the cross-attention
      token: layers * (4 + 1) * projection + (layers - 1) * finishing,
      wanted: finishing,
      pair: layers * pair,
      encoder: {
        // … and keys and values for the decoder
        token: encoderLayers * (4 * projection + feedForward) + layers * 2 * projection,
        pair: encoderLayers * pair,
        cross: layers * pair,
      },
    };
  },

  /**
   * As the tied next-word head of T5 1.0, whose embeddings have about unit variance (T5 1.1 has a head of its own
   * scale).
   */
  tiedHeadScale: ({ hiddenSize }) => hiddenSize ** -0.5,

  encode(graph, config, weight, inputs): KeyValues[] {
    const { op } = graph;
    const { positions, dropout } = inputs;
    const parts: Parts = { graph, config, weight, dropout };
    const length = positions.dim(1);
    const biasOf = blockBias(config, (block) =>
      graph.scope("encoder.bias", () => {
        const relative = relativeBias(graph, weight(biasTable("encoder", block)), config, true, [length, length]);
        return [op.Add(relative, inputs.attentionBias)];
      }),
    ); // [A, H, E, E]
    let x = dropout(inputs.embeddings, config.dropout);
    for (let i = 0; i < config.encoderLayers; i++) {
      const layer = `encoder.block.${i}.layer`;
      graph.scope(`encoder.block.${i}`, () => {
        const name = `${layer}.0.SelfAttention`;
        const normal = norm(parts, `${layer}.0.layer_norm`, x);
        const fresh = keyValues(parts, name, normal, positions);
        x = op.Add(x, attention(parts, name, normal, fresh, { positions, attentionBias: biasOf(i) }).output);
        x = op.Add(x, feedForward(parts, `${layer}.1`, x));
      });
    }
    return graph.scope("memory", () => {
      const states = dropout(norm(parts, "encoder.final_layer_norm", x), config.dropout);
      const place = inputs.memory ?? positions;
      const memory = inputs.memory ? op.Gather(states, op.Reshape(inputs.memory, [-1])) : states; // [B·V, K]
      return Array.from({ length: config.layers }, (_, i) =>
        keyValues(parts, `decoder.block.${i}.layer.1.EncDecAttention`, memory, place),
      );
    });
  },

  decode(graph, config, weight, inputs): DecoderOutputs {
    const { op } = graph;
    const { positions, memory, dropout } = inputs;
    if (!memory) throw new Error("T5's decoder needs what its encoder has made of the prompt");
    const parts: Parts = { graph, config, weight, dropout };
    const masks = inputs.attentionBias();
    const biasOf = blockBias(config, (block) =>
      graph.scope("decoder.bias", () =>
        masks.map((mask) => {
          const sizes = [mask.dim(2), mask.dim(3)] as const;
          return op.Add(relativeBias(graph, weight(biasTable("decoder", block)), config, false, sizes), mask);
        }),
      ),
    ); // [B, H, T, S], or as many blocks of queries
    let x = dropout(inputs.embeddings, config.dropout);
    const present: KeyValues[] = [];
    for (let i = 0; i < config.layers; i++) {
      const layer = `decoder.block.${i}.layer`;
      const { finished } = blockTokens(graph, inputs, i, config.layers);
      graph.scope(`decoder.block.${i}`, () => {
        const self = `${layer}.0.SelfAttention`;
        const normal = norm(parts, `${layer}.0.layer_norm`, x);
        const fresh = keyValues(parts, self, normal, positions);
        const mixed = attention(parts, self, normal, fresh, {
          positions,
          attentionBias: biasOf(i),
          past: inputs.past?.[i],
        });
        present.push(mixed.present);
        x = op.Add(x, mixed.output);
        const cross = { positions, attentionBias: [memory.attentionBias], finished };
        const query = norm(parts, `${layer}.1.layer_norm`, x);
        const read = attention(parts, `${layer}.1.EncDecAttention`, query, memory.keyValues[i]!, cross);
        x = op.Add(finished(x), read.output);
        x = op.Add(x, feedForward(parts, `${layer}.2`, x));
      });
    }
    return { hiddenStates: dropout(norm(parts, "decoder.final_layer_norm", x), config.dropout), present };
  },
};

/** What every part of the network is made with. */
interface Parts {
  readonly graph: Graph;
  readonly config: T5Config;
  readonly weight: (name: string) => Value;
  readonly dropout: DropoutHook;
}

const biasTable = (stack: "encoder" | "decoder", block: number) =>
  `${stack}.block.${block}.layer.0.SelfAttention.relative_attention_bias.weight`;

/** The position biases of a block: those of the first block in all of a stack, or its own. */
function blockBias(
  { biasInEveryBlock }: T5Config,
  make: (block: number) => readonly Value[],
): (block: number) => readonly Value[] {
  let first: readonly Value[] | undefined;
  return (block) => {
    if (biasInEveryBlock) return make(block);
    first ??= make(0);
    return first;
  };
}

function norm({ graph, config, weight }: Parts, name: string, x: Value): Value {
  return graph.op.RMSNormalization(x, weight(`${name}.weight`), { axis: -1, epsilon: config.normEpsilon });
}

/** x·Wᵀ with Linear's [out, in] layout. */
function linear({ graph, weight }: Parts, name: string, x: Value): Value {
  return graph.op.FusedMatMul(x, weight(`${name}.weight`), { transB: 1 });
}

/** [n, K] → [B, H, T, D] each. */
function keyValues(parts: Parts, name: string, states: Value, positions: Value): KeyValues {
  const { heads, headSize } = parts.config;
  const project = (part: "k" | "v") =>
    splitHeads(parts.graph, linear(parts, `${name}.${part}`, states), positions, heads, headSize);
  return { keys: project("k"), values: project("v") };
}

/**
 * softmax(q·kᵀ + bias)·v·Oᵀ, unscaled: T5's initial weights make up for it. `finished` picks the rows whose output is
 * wanted.
 */
function attention(
  parts: Parts,
  name: string,
  x: Value,
  fresh: KeyValues,
  {
    positions,
    attentionBias,
    past,
    finished = (rows) => rows,
  }: Omit<AttentionInputs, "dropout"> & {
    readonly past?: KeyValues | undefined;
    readonly finished?: (rows: Value) => Value;
  },
): { output: Value; present: KeyValues } {
  const { graph, config, dropout } = parts;
  const { heads, headSize } = config;
  const shape = { heads, keyValueHeads: heads, headSize, scale: 1 };
  const query = splitHeads(graph, linear(parts, `${name}.q`, x), positions, heads, headSize);
  const inputs = { positions, attentionBias, dropout };
  const { output, present } = attend(graph, shape, query, fresh, inputs, past, config.dropout);
  return { output: dropout(linear(parts, `${name}.o`, finished(output)), config.dropout), present };
}

/** act(x·Wᵀ)·Oᵀ, or gated: (act(x·W₀ᵀ) ∘ x·W₁ᵀ)·Oᵀ (Shazeer 2020), after the norm. */
function feedForward(parts: Parts, layer: string, x: Value): Value {
  const { graph, config, dropout } = parts;
  const name = `${layer}.DenseReluDense`;
  const normal = norm(parts, `${layer}.layer_norm`, x);
  const active = (value: Value) => activate(graph, config.activation, value);
  const inner = config.gated
    ? graph.op.Mul(active(linear(parts, `${name}.wi_0`, normal)), linear(parts, `${name}.wi_1`, normal))
    : active(linear(parts, `${name}.wi`, normal)); // [n, F]
  return dropout(linear(parts, `${name}.wo`, dropout(inner, config.dropout)), config.dropout);
}
