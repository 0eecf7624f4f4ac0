// Why an item is in a list: the items of the history that are most alike to it.
import type { Recommendation } from "@cllm4rec/recommend";
import type { Generation } from "./slot.js";

// Shape legend: H items of the history, R recommended items, M models of an ensemble, K width.

const SHOWN = 3;

/**
 * Each recommendation with up to three items of the history that resemble it, by the cosine of the embeddings, the mean
 * of it over the models.
 */
export async function nearestOf(
  { recommender, catalog }: Generation,
  recommended: readonly Recommendation[],
  history: readonly string[],
  models: number,
): Promise<(Recommendation & { because: Recommendation[] })[]> {
  const known = [...new Set(history)];
  if (recommended.length === 0) return [];
  const names = [...recommended.map(({ item }) => item), ...known];
  const { data, width } = await recommender.embedItems(names); // [R + H, M·K]
  const K = width / models;
  const part = (row: number, m: number) => data.subarray(row * width + m * K, row * width + (m + 1) * K);
  const cosine = (a: number, b: number) => {
    let sum = 0;
    for (let m = 0; m < models; m++) {
      const [x, y] = [part(a, m), part(b, m)];
      const scale = Math.sqrt(product(x, x) * product(y, y));
      if (scale > 0) sum += product(x, y) / scale;
    }
    return sum / models;
  };
  return recommended.map((one, r) => ({
    ...one,
    because: known
      .map((item, h) => ({ item, score: cosine(r, recommended.length + h) }))
      .filter(({ item, score }) => item !== one.item && score > 0)
      .sort((a, b) => b.score - a.score)
      .slice(0, SHOWN)
      .map(({ item, score }) => ({ ...catalog.item(item), score })),
  }));
}

function product(x: Float32Array, y: Float32Array): number {
  let sum = 0;
  for (let k = 0; k < x.length; k++) sum += x[k]! * y[k]!;
  return sum;
}
