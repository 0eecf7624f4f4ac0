// Multi-VAE (Liang et al. 2018) as a graph: multinomial likelihood of a user's items, KL divergence from N(0, I).
import { Graph, gradients } from "@cllm4rec/onnx-grad";

// Shape legend: B users of a batch, J items, H hidden units, D latent dimensions.
/** @typedef {import("@cllm4rec/onnx-grad").Value} Value */
/** @typedef {{ items: number, hidden: number, latent: number }} Sizes */

/** The weights by name. */
export const shapes = (/** @type {Sizes} */ { items: J, hidden: H, latent: D }) => ({
  ...{ "encoder.weight": [J, H], "encoder.bias": [H], "latent.weight": [H, 2 * D], "latent.bias": [2 * D] },
  ...{ "decoder.weight": [D, H], "decoder.bias": [H], "items.weight": [H, J], "items.bias": [J] },
});

/** Loss and gradients for training; else the logits [B, J]. */
export function multiVae(/** @type {Sizes} */ sizes, { training = false } = {}) {
  const graph = new Graph("multi-vae");
  const { op } = graph;
  const history = graph.input("history", "float32", ["B", sizes.items]); // of length 1, some items dropped
  const named = Object.entries(shapes(sizes)).map(([name, shape]) => [name, graph.input(name, "float32", shape)]);
  const weights = Object.fromEntries(named);
  const layer = (/** @type {Value} */ x, /** @type {string} */ name) =>
    op.Add(op.MatMul(x, weights[`${name}.weight`]), weights[`${name}.bias`]);
  const hidden = op.Tanh(layer(history, "encoder")); // [B, J] → [B, H]
  const halves = op.Split(layer(hidden, "latent"), 2, { axis: 1 }); // → 2 × [B, D]
  const [mean, logVariance] = /** @type {[Value, Value]} */ (halves);
  const perUser = (/** @type {Value} */ x) => op.ReduceMean(op.ReduceSum(x, [1]), [0, 1], { keepdims: 0 }); // → []
  const decode = (/** @type {Value} */ z) => layer(op.Tanh(layer(z, "decoder")), "items"); // [B, D] → [B, J]
  if (!training) {
    graph.output("logits", decode(mean));
    return graph;
  }
  const chosen = graph.input("chosen", "float32", ["B", sizes.items]); // zeros and ones
  const noise = graph.input("noise", "float32", ["B", sizes.latent]);
  const beta = graph.input("beta", "float32", []);
  const logits = decode(op.Add(mean, op.Mul(noise, op.Exp(op.Mul(logVariance, 0.5)))));
  const loss = op.Neg(perUser(op.Mul(op.LogSoftmax(logits, { axis: 1 }), chosen)));
  const divergence = op.Sub(op.Add(op.Exp(logVariance), op.Mul(mean, mean)), op.Add(logVariance, 1));
  const kl = op.Mul(beta, op.Mul(perUser(divergence), 0.5));
  graph.output("loss", loss);
  graph.output("kl", kl);
  const slopes = gradients(graph, op.Add(loss, kl), Object.values(weights));
  for (const [at, slope] of slopes.entries()) graph.output(`d ${Object.keys(weights)[at]}`, slope);
  return graph;
}
