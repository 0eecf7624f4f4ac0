// What can be claimed of the model, in one sentence: against which recommenders it is better, by the paired tests.
import type { MetricComparison } from "@cllm4rec/eval";
import type { Measurement } from "./measure.js";

/** The metrics of the paper's tables. */
export const MAIN = ["recall@20", "recall@40", "ndcg@100"] as const;
export const LEVEL = 0.05;

export type Verdict = "better" | "worse" | "not distinguishable";

/** By the paired t-test at {@link LEVEL}, divided by the number of comparisons (Bonferroni). */
export function verdict(
  { difference, tTest }: Pick<MetricComparison, "difference" | "tTest">,
  comparisons: number,
): Verdict {
  if (!(tTest.pValue < LEVEL / comparisons)) return "not distinguishable";
  return difference.mean > 0 ? "better" : "worse";
}

/** How many comparisons the page makes: each recommender by each of {@link MAIN}. */
export const comparisonsOf = ({ baselines }: Pick<Measurement, "baselines">): number =>
  baselines.reduce((sum, { comparison }) => sum + MAIN.filter((metric) => comparison[metric]).length, 0);

/**
 * One sentence. The model is better than a recommender if it is on one of {@link MAIN} and worse on none, and the
 * other way round; otherwise the two are not distinguishable, or better on some metrics and worse on others.
 */
export function claim(measurement: Pick<Measurement, "baselines" | "model">): string | undefined {
  const { baselines, model } = measurement;
  const comparisons = comparisonsOf(measurement);
  if (comparisons === 0) return undefined;
  const groups = new Map<Verdict | "mixed", string[]>();
  for (const { name, label = name, comparison } of baselines) {
    const verdicts = MAIN.flatMap((metric) => (comparison[metric] ? [verdict(comparison[metric], comparisons)] : []));
    const [better, worse] = [verdicts.includes("better"), verdicts.includes("worse")];
    const group = better && worse ? "mixed" : better ? "better" : worse ? "worse" : "not distinguishable";
    groups.set(group, [...(groups.get(group) ?? []), label]);
  }
  const phrases = [
    ["better", "better than"],
    ["mixed", "better on some metrics and worse on others than"],
    ["not distinguishable", "not distinguishable from"],
    ["worse", "worse than"],
  ] as const;
  const parts = phrases.flatMap(([group, phrase]) => {
    const names = groups.get(group);
    return names ? [`${phrase} ${listed(names)}`] : [];
  });
  return `${model.name[0]!.toUpperCase()}${model.name.slice(1)} is ${parts.join("; ")}.`;
}

/** The recommender with the highest mean, the model's own parts left out. */
export function bestBaseline({ baselines }: Pick<Measurement, "baselines">, metric: (typeof MAIN)[number]) {
  const others = baselines.filter(({ ownPart }) => !ownPart);
  return [...others].sort((a, b) => b.metrics[metric]! - a.metrics[metric]!)[0];
}

const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;
