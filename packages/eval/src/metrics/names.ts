// The metrics' names: what may be asked for, and what each name means.
import { EvaluationError } from "../error.js";

/** Metrics that need a cut-off K. */
export type CutMetric = "recall" | "recall-all" | "precision" | "hit" | "coverage" | "novelty" | "gini";
/** Metrics with an optional cut-off; without one they look at the whole ranking. */
export type RankMetric = "ndcg" | "mrr" | "map";
/**
 * A metric's name, such as `recall@20`, `recall-all@20`, `ndcg@100` or `mrr`. `recall@K` divides by min(K, held-out
 * items), `recall-all@K` by all held-out items.
 */
export type MetricName = `${CutMetric | RankMetric}@${number}` | RankMetric;

/** What the paper reports: Recall@20 and Recall@40 over min(K, held-out), and NDCG@100. */
export const PAPER_METRICS: readonly MetricName[] = ["recall@20", "recall@40", "ndcg@100"];

/** A parsed metric name. */
export interface MetricSpec {
  readonly name: MetricName;
  readonly kind: CutMetric | RankMetric;
  /** K, or Infinity for the whole ranking. */
  readonly cutoff: number;
}

const CUT: readonly string[] = ["recall", "recall-all", "precision", "hit", "coverage", "novelty", "gini"];
const RANK: readonly string[] = ["ndcg", "mrr", "map"];

const isCut = (kind: string): kind is CutMetric => CUT.includes(kind);
const isRank = (kind: string): kind is RankMetric => RANK.includes(kind);

/** @throws {EvaluationError} for a name that is not a metric, a missing or malformed K, and a name given twice. */
export function parseMetrics(names: readonly string[]): MetricSpec[] {
  if (names.length === 0) throw new EvaluationError("metrics: found none, expected at least one, such as recall@20.");
  const seen = new Set<string>();
  return names.map((name) => {
    if (seen.has(name)) throw new EvaluationError(`metrics: found ${JSON.stringify(name)} twice, expected it once.`);
    seen.add(name);
    return parseMetric(name);
  });
}

function parseMetric(name: string): MetricSpec {
  const [, kind = "", digits] = /^([a-z-]+)(?:@([1-9]\d{0,8}))?$/.exec(name) ?? [];
  if (digits !== undefined && (isCut(kind) || isRank(kind))) {
    const cutoff = Number(digits);
    return { name: `${kind}@${cutoff}`, kind, cutoff };
  }
  if (digits === undefined && isRank(kind)) return { name: kind, kind, cutoff: Number.POSITIVE_INFINITY };
  throw new EvaluationError(
    `metrics: found ${JSON.stringify(name)}, expected NAME@K with K a positive integer and NAME one of ` +
      `${[...CUT, ...RANK].join(", ")} (${RANK.join(", ")} also without @K).`,
  );
}
