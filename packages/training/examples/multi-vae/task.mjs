// @ts-nocheck
// Multi-VAE as a task: batches of users, annealed β, seeded noise; and its scores.
import { defineTask, fillNormal, glorotNormal, indexBatches, Parameters } from "@cllm4rec/training";
import { shapes } from "./graph.mjs";

export function vaeParameters(sizes, { seed, averageDecay }) {
  const named = Object.entries(shapes(sizes)).map(([name, shape]) => [
    name,
    { shape, averageDecay, ...(shape.length > 1 && { initial: glorotNormal() }) },
  ]);
  return new Parameters(Object.fromEntries(named), { seed });
}

export function vaeTask({ session, parameters, histories, users, sizes, batch, learningRate, beta, anneal, seed }) {
  return defineTask({
    batches: indexBatches(users, batch),
    learningRate,
    async compute(chosen, { update }) {
      const noise = new Float32Array(chosen.length * sizes.latent);
      fillNormal(noise, sizes.latent, seed, 10_000 + update); // another stream of random numbers for every update
      const { loss, kl, ...slopes } = await session.run({
        ...feeds(parameters.values, chosen.map(histories), sizes.items),
        noise: { dtype: "float32", shape: [chosen.length, sizes.latent], data: noise },
        beta: { dtype: "float32", shape: [], data: Float32Array.of(beta * Math.min(1, update / anneal)) },
        seed: { dtype: "int64", shape: [], data: BigInt64Array.of(BigInt(seed) * 2n ** 32n + BigInt(update)) },
      });
      const gradients = Object.entries(slopes).map(([name, { data }]) => [name.slice(2), data]);
      const [likelihood, divergence] = [Number(loss.data[0]), Number(kl.data[0])];
      return { loss: likelihood, terms: { kl: divergence }, gradients: Object.fromEntries(gradients) };
    },
  });
}

/** Logits of all items, [B, J]. */
export async function vaeScores(session, values, rows, items) {
  const { logits } = await session.run(feeds(values, rows, items));
  return logits.data;
}

/** Weights, and histories as rows of zeros and ones. */
function feeds(values, rows, items) {
  const history = new Float32Array(rows.length * items);
  for (const [b, row] of rows.entries()) for (const item of Array.from(row)) history[b * items + item] = 1;
  const weights = Object.entries(values).map(([name, tensor]) => [name, { dtype: "float32", ...tensor }]);
  return { ...Object.fromEntries(weights), history: { dtype: "float32", shape: [rows.length, items], data: history } };
}
