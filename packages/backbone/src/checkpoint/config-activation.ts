// The activation functions that configs name, under one name each.
import { type ConfigContext, unsupported } from "./config-common.js";

/**
 * `gelu_tanh` is the tanh approximation of GPT-2 (`gelu_new`); `gelu` is the exact one, with erf; `silu` is x·σ(x),
 * also called swish.
 */
export type Activation = "gelu_tanh" | "gelu" | "relu" | "silu";

/** What configs call them. */
export const ACTIVATIONS: Readonly<Record<string, Activation>> = {
  relu: "relu",
  gelu: "gelu",
  gelu_new: "gelu_tanh",
  gelu_pytorch_tanh: "gelu_tanh",
  gelu_fast: "gelu_tanh", // the same formula, √(2/π) as a literal
  silu: "silu",
  swish: "silu",
};

/**
 * The activation that a config names.
 * @param only the functions that the architecture is implemented with
 * @throws CheckpointError for any other, naming those that are supported
 */
export function activationOf<A extends Activation>(
  key: string,
  name: string,
  context: ConfigContext,
  only: readonly A[],
): A {
  const known = Object.keys(ACTIVATIONS).filter((each) => (only as readonly string[]).includes(ACTIVATIONS[each]!));
  const found = only.find((each) => known.includes(name) && ACTIVATIONS[name] === each);
  if (found) return found;
  const [single] = known;
  throw unsupported(context, key, name, only.length === 1 ? `"${single}"` : `one of ${known.join(", ")}`);
}
