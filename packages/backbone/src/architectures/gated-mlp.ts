// The gated MLP (Shazeer 2020) that Llama's family and Gemma have, and what a decoder made of it costs.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { LlamaConfig } from "../checkpoint/config-llama.js";
import { activate } from "./activation.js";
import type { ForwardCost } from "./architecture.js";
import { linear, type Weight } from "./linear.js";

// Shape legend: n tokens, K width, F inner width, H heads, G key/value heads, D head size.

/** What a gated MLP needs to know. */
type GatedMlp = Pick<LlamaConfig, "intermediateSize" | "mlpBias" | "fusedProjections"> & {
  readonly activation: "silu" | "gelu_tanh";
};

/** (f(x·Gᵀ) ∘ x·Uᵀ)·Dᵀ; SwiGLU with f = silu, GeGLU with f = GELU. */
export function gatedMlp(graph: Graph, config: GatedMlp, weight: Weight, name: string, x: Value): Value {
  const { intermediateSize: F, mlpBias, fusedProjections, activation } = config;
  const of = (part: string) => linear(graph, weight, `${name}.${part}`, x, mlpBias); // [n, F], [n, 2F] where fused
  const [gate, up] = fusedProjections
    ? (graph.op.Split(of("gate_up_proj"), [F, F], { axis: 1 }) as [Value, Value])
    : [of("gate_proj"), of("up_proj")];
  const inner = graph.op.Mul(activate(graph, activation, gate), up);
  return linear(graph, weight, `${name}.down_proj`, inner, mlpBias);
}

/** Of a decoder with grouped-query attention and a gated MLP. */
export function gatedCost({
  hiddenSize: K,
  intermediateSize: F,
  layers,
  heads,
  keyValueHeads,
  headSize,
}: Pick<
  LlamaConfig,
  "hiddenSize" | "intermediateSize" | "layers" | "heads" | "keyValueHeads" | "headSize"
>): ForwardCost {
  const projections = K * (heads + 2 * keyValueHeads) * headSize;
  const finishing = heads * headSize * K + 3 * K * F; // o_proj and MLP
  return {
    token: layers * projections + (layers - 1) * finishing,
    wanted: finishing,
    pair: 2 * layers * heads * headSize,
  };
}
