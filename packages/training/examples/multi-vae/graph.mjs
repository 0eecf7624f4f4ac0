// @ts-nocheck
// Multi-VAE (Liang et al. 2018) as a graph: the multinomial likelihood of a user's items, and the KL divergence from
// N(0, I).
import { Graph, gradients } from "@cllm4rec/onnx-grad";

// Shape legend: B users of a batch, J items, H hidden units, D latent dimensions.

/** The weights by name. */
export const shapes = ({ items: J, hidden: H, latent: D }) => ({
  ...{ "encoder.weight": [J, H], "encoder.bias": [H], "latent.weight": [H, 2 * D], "latent.bias": [2 * D] },
  ...{ "decoder.weight": [D, H], "decoder.bias": [H], "items.weight": [H, J], "items.bias": [J] },
});

/** Loss and gradients for training; else the logits [B, J]. */
export function multiVae(sizes, { training = false } = {}) {
  const graph = new Graph("multi-vae");
  const { op } = graph;
  const history = graph.input("history", "float32", ["B", sizes.items]); // of length 1, some items dropped
  const named = Object.entries(shapes(sizes)).map(([name, shape]) => [name, graph.input(name, "float32", shape)]);
  const weights = Object.fromEntries(named);
  const layer = (x, name) => op.Add(op.MatMul(x, weights[`${name}.weight`]), weights[`${name}.bias`]);
  const encode = (x) => op.Split(layer(op.Tanh(layer(x, "encoder")), "latent"), 2, { axis: 1 }); // [B, J] → 2 × [B, D]
  const perUser = (x) => op.ReduceMean(op.ReduceSum(x, [1]), [0, 1], { keepdims: 0 }); // [B, J] → []
  const decode = (z) => layer(op.Tanh(layer(z, "decoder")), "items"); // [B, D] → [B, J]
  const [mean, logVariance] = encode(history);
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
  for (const [at, name] of Object.keys(weights).entries()) graph.output(`d ${name}`, slopes[at]);
  return graph;
}
