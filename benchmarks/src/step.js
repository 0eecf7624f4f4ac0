// One measured case: a batch of prompts, forward alone or with gradients towards the soft rows, each run paired with a
// run of the ceiling.

/**
 * Useful operations of a batch: those of the frozen LM, and the item head once a prompt, whose table has a gradient
 * too.
 * @param {import("@cllm4rec/backbone").BaseModel} model @param {number[]} lengths @param {boolean} backward
 */
function usefulOperations({ backbone, vocabulary }, lengths, backward) {
  const head = 2 * vocabulary.items * vocabulary.width * lengths.length * (backward ? 3 : 1);
  return backbone.operations(lengths, { wanted: lengths.length, backward }) + head;
}

/**
 * Prompts of a recommender of the given lengths (a user, some words, a history of items), and tables of made-up
 * embeddings.
 * @param {import("@cllm4rec/backbone").BaseModel} model @param {number[]} lengths
 */
export function documentsOf(model, lengths) {
  const { words, users, items, width } = model.vocabulary;
  /** @param {number} rows */
  const random = (rows) => ({
    rows,
    data: new Float32Array(rows * width).map((_, i) => (((i * 2654435761) >>> 8) % 1000) / 5000 - 0.1),
  });
  const tables = { users: random(users), items: random(items) };
  const documents = lengths.map((length, d) => ({
    ids: Int32Array.from({ length }, (_, t) =>
      t === 0 ? words + (d % users) : t < 5 ? 100 + t : words + users + ((d * 31 + t * 7) % items),
    ),
    heldOut: [d % items, (d + 1) % items],
  }));
  return { documents, tables };
}

/**
 * @param {{ name: string; lengths: number[]; backward: boolean; model: import("@cllm4rec/backbone").BaseModel; repeats:
 *   number;
 *   ceiling: { measure(): Promise<number> } }} options
 */
export async function stepCase({ name, lengths, backward, model, ceiling, repeats }) {
  const { documents, tables } = documentsOf(model, lengths);
  const run = () => model.heldOutLoss(documents, tables, { gradients: backward });
  const { usefulTokens, computedTokens } = await run();
  const operations = usefulOperations(model, lengths, backward);
  const seconds = [];
  const shares = [];
  for (let i = 0; i < repeats; i++) {
    const rate = await ceiling.measure();
    const started = performance.now();
    await run();
    const elapsed = (performance.now() - started) / 1e3;
    seconds.push(elapsed);
    shares.push(operations / elapsed / 1e9 / rate);
  }
  const time = median(seconds);
  return {
    name,
    batch: lengths.length,
    sequence: Math.max(...lengths),
    backward,
    tokensPerSecond: usefulTokens / time,
    gflops: operations / time / 1e9,
    share: median(shares),
    padding: 1 - usefulTokens / computedTokens,
  };
}

/**
 * Log-normal lengths, the same on every run: quantiles of the distribution in a fixed scrambled order.
 * @param {number} count @param {{ median: number; spread: number; least: number; most: number }} shape
 */
export function raggedLengths(count, { median: middle, spread, least, most }) {
  return Array.from({ length: count }, (_, i) => {
    const quantile = (((i * 7) % count) + 0.5) / count;
    const normal = Math.log(quantile / (1 - quantile)) / 1.702; // the logistic approximation of the normal quantile
    return Math.round(Math.min(most, Math.max(least, middle * Math.exp(spread * normal))));
  });
}

/** @param {number[]} numbers */
function median(numbers) {
  return [...numbers].sort((a, b) => a - b)[numbers.length >> 1] ?? Number.NaN;
}
