// Twins of the package's ranking code, from the definitions and with nothing but sorts and sets; slow on purpose.

/** All unmasked items, best first; equal scores by ascending item. */
export function fullRanking(scores: readonly number[], masked: readonly number[]): number[] {
  return scores
    .map((score, item) => ({ score, item }))
    .filter(({ item }) => !masked.includes(item))
    .sort((x, y) => (x.score === y.score ? x.item - y.item : y.score - x.score))
    .map(({ item }) => item);
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const precisionAt = (list: readonly number[], held: ReadonlySet<number>, n: number): number =>
  list.slice(0, n).filter((item) => held.has(item)).length / n;

/** One user's value of `kind` at cut-off K (Infinity: none) for a ranked list. */
export function userMetric(
  kind: string,
  cutoff: number,
  list: readonly number[],
  heldOut: readonly number[],
  information: readonly number[],
): number {
  const held = new Set(heldOut);
  const top = list.filter((_, i) => i < cutoff);
  const relevance = top.map((item) => (held.has(item) ? 1 : 0));
  const dcg = (gains: readonly number[]): number => sum(gains.map((gain, i) => gain / Math.log2(i + 2)));
  const attainable = Math.min(cutoff, held.size);
  switch (kind) {
    case "recall":
      return sum(relevance) / attainable;
    case "recall-all":
      return [...held].filter((item) => top.includes(item)).length / held.size;
    case "precision":
      return sum(relevance) / cutoff;
    case "hit":
      return top.some((item) => held.has(item)) ? 1 : 0;
    case "mrr":
      return Math.max(0, ...top.map((item, i) => (held.has(item) ? 1 / (i + 1) : 0)));
    case "map":
      return sum(top.map((item, i) => (held.has(item) ? precisionAt(top, held, i + 1) : 0))) / attainable;
    case "ndcg":
      return dcg(relevance) / dcg(Array.from({ length: attainable }, () => 1));
    case "novelty":
      return sum(top.map((item) => information[item]!)) / top.length;
    default:
      throw new Error(`no twin of ${kind}`);
  }
}

/**
 * Gini as the mean absolute difference over all pairs of items, halved, over the mean: an independent form of the same
 * index.
 */
export function giniByPairs(counts: readonly number[]): number {
  const differences = sum(counts.flatMap((x) => counts.map((y) => Math.abs(x - y))));
  return differences / (2 * counts.length * sum(counts));
}

/** How many lists hold each item in their first K places. */
export function listCounts(lists: readonly (readonly number[])[], cutoff: number, items: number): number[] {
  const flat = lists.flatMap((list) => list.slice(0, cutoff));
  return Array.from({ length: items }, (_, item) => flat.filter((other) => other === item).length);
}
