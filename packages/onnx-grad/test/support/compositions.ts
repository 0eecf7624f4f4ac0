// Small models as recommenders use them (KL terms, masked attention, GRU4Rec, Mult-VAE): their graphs, feeds and what
// PyTorch says of them.
import fs from "node:fs";
import { type Engine, Graph, gradients, type Tensor, type Value } from "@cllm4rec/onnx-grad";
import { expectClose } from "@cllm4rec/testing";
import { toNumbers } from "./cases.js";

interface Golden {
  readonly loss: number;
  readonly floats: Readonly<Record<string, { shape: number[]; data: number[]; gradient: number[] }>>;
  readonly integers: Readonly<Record<string, { shape: number[]; data: number[] }>>;
}
type Operators = Graph["op"];

const goldens = JSON.parse(
  fs.readFileSync(new URL("../fixtures/compositions.json", import.meta.url), "utf8"),
) as Record<string, Golden>;

/** 0.5 · Σ (log σ₂² − log σ₁² + (σ₁² + (μ₁ − μ₂)²) / σ₂² − 1), mean over the batch. */
function gaussianKl(op: Operators, v: Record<string, Value>): Value {
  const difference = op.Sub(v.mean1!, v.mean2!);
  const ratio = op.Div(op.Add(op.Exp(v.logvar1!), op.Mul(difference, difference)), op.Exp(v.logvar2!));
  const terms = op.Mul(op.Sub(op.Add(op.Sub(v.logvar2!, v.logvar1!), ratio), 1), 0.5);
  return op.ReduceMean(op.ReduceSum(terms, [1], { keepdims: 0 }), [0], { keepdims: 0 });
}

/** Σ p · (log p − log q), mean over the batch. */
function softmaxKl(op: Operators, v: Record<string, Value>): Value {
  const [teacher, student] = [op.LogSoftmax(op.Mul(v.teacher!, 0.5)), op.LogSoftmax(op.Mul(v.student!, 0.5))];
  const terms = op.Mul(op.Exp(teacher), op.Sub(teacher, student));
  return op.ReduceMean(op.ReduceSum(terms, [1], { keepdims: 0 }), undefined, { keepdims: 0 });
}

/** [B, H, T, d] each. */
function maskedAttention(op: Operators, v: Record<string, Value>): Value {
  const mask = op.Where(op.Equal(v.allowed!, 1), op.scalar(0), op.scalar(Number.NEGATIVE_INFINITY));
  const scores = op.FusedMatMul(v.q!, v.k!, { transB: 1, alpha: 0.5 });
  const y = op.MatMul(op.Softmax(op.Add(scores, mask)), v.v!);
  return op.ReduceSum(op.Mul(y, y), undefined, { keepdims: 0 });
}

/** PyTorch's gates r, z, n → ONNX's z, r, h. */
function reordered(op: Operators, weight: Value): Value {
  const [r, z, n] = op.Split(weight, [4, 4, 4], { axis: 0 });
  return op.Concat([z!, r!, n!], { axis: 0 });
}

function gru4rec(op: Operators, v: Record<string, Value>): Value {
  const rows = op.Transpose(op.Gather(v.table!, v.items!), { perm: [1, 0, 2] }); // [B, T, K] → [T, B, K]
  const one = (value: Value) => op.Unsqueeze(value, [0]);
  const bias = op.Concat([reordered(op, v.bias_ih_l0!), reordered(op, v.bias_hh_l0!)], { axis: 0 });
  const weights = [one(reordered(op, v.weight_ih_l0!)), one(reordered(op, v.weight_hh_l0!)), one(bias)] as const;
  const [states] = op.GRU([rows, ...weights], { hidden_size: 4, linear_before_reset: 1 }); // [T, 1, B, K]
  const flat = op.Reshape(op.Transpose(op.Squeeze(states, [1]), { perm: [1, 0, 2] }), [-1, 4]); // [B·T, K]
  const logits = op.FusedMatMul(flat, v.table!, { transB: 1 });
  return op.SoftmaxCrossEntropyLoss(logits, op.Reshape(v.labels!, [-1]), undefined, { ignore_index: -100 })[0];
}

function multinomialVae(op: Operators, v: Record<string, Value>): Value {
  const x = op.Cast(v.x!, "float32");
  const normalised = op.Div(x, op.ReduceL2(x, [1]));
  const [mean, logvar] = op.Split(op.Tanh(op.MatMul(normalised, v.encoder!)), [3, 3], { axis: 1 }) as [Value, Value];
  const z = op.Add(mean, op.Mul(op.Exp(op.Mul(logvar, 0.5)), v.noise!));
  const batchMean = (terms: Value) => op.ReduceMean(op.ReduceSum(terms, [1], { keepdims: 0 }), [0], { keepdims: 0 });
  const likelihood = batchMean(op.Mul(op.LogSoftmax(op.MatMul(z, v.decoder!)), x));
  const kl = batchMean(op.Sub(op.Sub(op.Add(logvar, 1), op.Mul(mean, mean)), op.Exp(logvar)));
  return op.Sub(op.Mul(kl, -0.5 * 0.2), likelihood);
}

function nextItNet(op: Operators, v: Record<string, Value>): Value {
  const x = op.Gather(v.table!, v.items!); // [B, T, K]
  let y = x;
  for (const [i, dilation] of [1, 2].entries()) {
    const own = (name: string) => v[`${name}${i + 1}`]!;
    y = op.Relu(op.LayerNormalization(y, own("scale"), own("bias")));
    const turned = op.Transpose(y, { perm: [0, 2, 1] });
    const causal = { dilations: [dilation], pads: [2 * dilation, 0] };
    y = op.Transpose(op.Conv(turned, own("w"), own("b"), causal), { perm: [0, 2, 1] });
  }
  const logits = op.FusedMatMul(op.Reshape(op.Add(x, y), [-1, 4]), v.table!, { transB: 1 });
  return op.SoftmaxCrossEntropyLoss(logits, op.Reshape(v.labels!, [-1]), undefined, { ignore_index: -100 })[0];
}

/** PyTorch's gates i, f, g, o → ONNX's i, o, f, c. */
function lstmOrder(op: Operators, weight: Value): Value {
  const [i, f, g, o] = op.Split(weight, [3, 3, 3, 3], { axis: 0 });
  return op.Concat([i!, o!, f!, g!], { axis: 0 });
}

function batchNormalisedLstm(op: Operators, v: Record<string, Value>): Value {
  const turned = op.Transpose(v.x!, { perm: [0, 2, 1] }); // [B, I, T]
  const [zeros, ones] = [op.vector([0, 0, 0, 0]), op.vector([1, 1, 1, 1])];
  const [normalised] = op.BatchNormalization(turned, v.scale!, v.bias!, zeros, ones, { training_mode: 1 });
  const one = (name: string) => op.Unsqueeze(lstmOrder(op, v[name]!), [0]);
  const bias = op.Concat([one("bias_ih_l0"), one("bias_hh_l0")], { axis: 1 });
  const steps = op.Transpose(normalised, { perm: [2, 0, 1] }); // [T, B, I]
  const [all, last] = op.LSTM([steps, one("weight_ih_l0"), one("weight_hh_l0"), bias], { hidden_size: 3 });
  const [states, query] = [op.Squeeze(all, [1]), op.Squeeze(last, [0])]; // [T, B, H], [B, H]
  const weights = op.Softmax(op.Einsum([states, query], { equation: "tbh,bh->bt" }));
  const pooled = op.Einsum([weights, states], { equation: "bt,tbh->bh" });
  const products = op.ReduceSum(op.ReduceProd(pooled, [1], { keepdims: 0 }), undefined, { keepdims: 0 });
  return op.Add(products, op.ReduceMean(op.Mul(pooled, pooled), undefined, { keepdims: 0 }));
}

const builders: Record<string, (op: Operators, values: Record<string, Value>) => Value> = {
  gaussian_kl: gaussianKl,
  softmax_kl: softmaxKl,
  masked_attention: maskedAttention,
  gru4rec,
  multinomial_vae: multinomialVae,
  nextitnet: nextItNet,
  batch_normalised_lstm: batchNormalisedLstm,
};

/** Names of the fixtures, and of the builders: the same. */
export const compositionNames = Object.keys(goldens);
export const builderNames = Object.keys(builders);

/** Runs one of them and compares its loss and every gradient. */
export async function checkComposition(engine: Engine, name: string): Promise<void> {
  const golden = goldens[name]!;
  const graph = new Graph(name);
  const feeds: Record<string, Tensor> = {};
  const values: Record<string, Value> = {};
  for (const [key, { shape, data }] of Object.entries(golden.floats)) {
    feeds[key] = { dtype: "float32", shape, data: Float32Array.from(data) };
    values[key] = graph.input(key, "float32", shape);
  }
  for (const [key, { shape, data }] of Object.entries(golden.integers)) {
    feeds[key] = { dtype: "int64", shape, data: BigInt64Array.from(data, BigInt) };
    values[key] = graph.input(key, "int64", shape);
  }
  const loss = builders[name]!(graph.op, values);
  graph.output("loss", loss);
  const targets = Object.keys(golden.floats);
  gradients(
    graph,
    loss,
    targets.map((key) => values[key]!),
  ).forEach((value, i) => {
    graph.output(`d_${targets[i]}`, value);
  });
  const session = await engine.load(graph);
  const results = await session.run(feeds);
  expectClose(toNumbers(results.loss!.data), [golden.loss], { rtol: 1e-5, label: "loss" });
  for (const key of targets) {
    expectClose(toNumbers(results[`d_${key}`]!.data), golden.floats[key]!.gradient, {
      rtol: 2e-5,
      atol: 2e-6,
      label: key,
    });
  }
  await session.dispose();
}
