// Multi-VAE as a task: batches of users, annealed β, seeded dropout and noise; and its scores.
import { defineTask, fillNormal, fillUniform, glorotNormal, indexBatches, Parameters } from "@cllm4rec/training";
import { shapes } from "./graph.mjs";

/** @typedef {import("./graph.mjs").Sizes} Sizes */
/** @typedef {import("@cllm4rec/onnx-grad").Session} Session */
/** @typedef {import("@cllm4rec/training").Values} Values */
/** @typedef {ArrayLike<number>} Row A user's items. */

/** @param {Sizes} sizes @param {{ seed: number, averageDecay?: number | undefined }} settings */
export function vaeParameters(sizes, { seed, averageDecay }) {
  const named = Object.entries(shapes(sizes)).map(([name, shape]) => [
    name,
    { shape, averageDecay, ...(shape.length > 1 && { initial: glorotNormal() }) },
  ]);
  return new Parameters(Object.fromEntries(named), { seed });
}

/**
 * @param {{ session: Session, parameters: Parameters, histories: (user: number) => Row, users: number, sizes: Sizes,
 *   batch: number, learningRate: number, dropout: number, beta: number, anneal: number, seed: number }} options
 */
export function vaeTask({ session, parameters, histories, users, sizes, ...settings }) {
  const { batch, learningRate, dropout, beta, anneal, seed } = settings;
  return defineTask({
    batches: indexBatches(users, batch),
    learningRate,
    async compute(chosen, { update }) {
      const rows = chosen.map(histories);
      const noise = new Float32Array(chosen.length * sizes.latent);
      fillNormal(noise, sizes.latent, seed, 10_000 + update); // another stream of random numbers for every update
      const { loss, kl, ...slopes } = await session.run({
        ...feeds(parameters.values, rows, sizes.items, { dropout, seed, update }),
        chosen: matrix(rows, sizes.items, () => 1),
        noise: { dtype: "float32", shape: [chosen.length, sizes.latent], data: noise },
        beta: { dtype: "float32", shape: [], data: Float32Array.of(beta * Math.min(1, update / anneal)) },
      });
      const gradients = Object.entries(slopes).map(([name, { data }]) => [name.slice(2), data]);
      const [likelihood, divergence] = [Number(loss?.data[0]), Number(kl?.data[0])];
      return { loss: likelihood, terms: { kl: divergence }, gradients: Object.fromEntries(gradients) };
    },
  });
}

/** Logits [B, J]. @param {Session} session @param {Values} values @param {Row[]} rows @param {number} items */
export async function vaeScores(session, values, rows, items) {
  const { logits } = await session.run(feeds(values, rows, items));
  return /** @type {Float32Array} */ (logits?.data);
}

/**
 * Weights, and histories of length 1 whose items are dropped by seed and update.
 * @param {Values} values @param {Row[]} rows @param {number} items
 */
function feeds(values, rows, items, { dropout = 0, seed = 0, update = 0 } = {}) {
  const draws = new Float32Array(rows.reduce((sum, { length }) => sum + length, 0));
  if (dropout > 0) fillUniform(draws, seed, 9999, update);
  let draw = 0;
  const kept = (/** @type {Row} */ { length }) =>
    dropout > 0 && Number(draws[draw++]) < dropout ? 0 : 1 / (1 - dropout) / Math.sqrt(length);
  const weights = Object.entries(values).map(([name, tensor]) => [name, { dtype: "float32", ...tensor }]);
  return { ...Object.fromEntries(weights), history: matrix(rows, items, kept) };
}

/**
 * Rows of items as a dense matrix [B, J].
 * @param {Row[]} rows @param {number} items @param {(row: Row) => number} valueIn
 */
function matrix(rows, items, valueIn) {
  const data = new Float32Array(rows.length * items);
  for (const [b, row] of rows.entries()) for (const item of Array.from(row)) data[b * items + item] = valueIn(row);
  return { dtype: /** @type {const} */ ("float32"), shape: [rows.length, items], data };
}
