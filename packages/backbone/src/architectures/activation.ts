// The functions inside of MLPs, by the names that configs are brought to.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { Activation } from "../checkpoint/config-activation.js";

/** f(x), elementwise. */
export function activate({ op }: Graph, kind: Activation, x: Value): Value {
  if (kind === "relu") return op.Relu(x);
  if (kind === "silu") return op.Mul(x, op.Sigmoid(x));
  return op.Gelu(x, { approximate: kind === "gelu" ? "none" : "tanh" });
}
