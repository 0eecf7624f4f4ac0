// The protocol of evaluate, baselines and report as flags name it.
import type { Dataset } from "@cllm4rec/corpus";
import type { MetricName } from "@cllm4rec/eval";
import type { HeldOutSplit, HistoryChoice, Protocol } from "@cllm4rec/recommend";
import { reasonOf, UsageError } from "../errors.js";

export type { HeldOutSplit, HistoryChoice, Protocol };

// The choices of --split and --history, here so that --help loads no model.
export const SPLITS = ["validation", "test"] as const satisfies readonly HeldOutSplit[];
export const HISTORIES = ["train", "train+validation"] as const satisfies readonly HistoryChoice[];

/**
 * @throws UsageError for validation items that are to be found and known at once; RecommendError where the dataset has
 *   no such split
 */
export async function openProtocol(
  dataset: Dataset,
  split: HeldOutSplit,
  historyOf: HistoryChoice = "train",
): Promise<Protocol> {
  if (split === "validation" && historyOf === "train+validation") {
    throw new UsageError(
      "--history train+validation with --split validation: the items to be found would be known; use --history " +
        "train, or --split test",
    );
  }
  const recommend = await import("@cllm4rec/recommend");
  return recommend.openProtocol(dataset, split, historyOf);
}

/**
 * The metrics that `--metrics` names; none: those of the paper.
 * @throws UsageError for what is no metric, or needs more than a ranking
 */
export async function chosenMetrics(names: readonly string[] | undefined): Promise<{ metrics?: MetricName[] }> {
  if (names === undefined) return {};
  const { RankingEvaluator } = await import("@cllm4rec/eval");
  const metrics = names.flatMap((name) => name.split(",")) as MetricName[];
  try {
    new RankingEvaluator({ items: 1, metrics });
  } catch (error) {
    throw new UsageError(`--metrics: ${reasonOf(error)}`);
  }
  return { metrics };
}

/** The convention in one sentence. */
export function describeProtocol({ split, historyOf }: Pick<Protocol, "split" | "historyOf">): string {
  const known =
    historyOf === "train"
      ? "the history is the training items alone, as in the paper"
      : "the history is the training and validation items, which is more than the paper gives";
  return `${split} items among all items but the history; ${known}`;
}
