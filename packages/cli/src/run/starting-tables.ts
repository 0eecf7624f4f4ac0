// The tables that a run begins with: random ones, ones moved towards the texts, or those of an earlier run.
import path from "node:path";
import type { TokenCache } from "@cllm4rec/corpus";
import { openTrainedModel, type Serving } from "@cllm4rec/recommend";
import { initialTables, type TokenTables, TrainingError, textMeans } from "@cllm4rec/training";
import { UsageError } from "../errors.js";
import type { SettledConfig } from "./scales.js";
import type { OpenBackbone } from "./workplace.js";

/**
 * Tables by the configuration's seed and scales. Content tables are made where texts are read; `textShare` of the start
 * is the mean of the words' embeddings.
 * @throws {UsageError} `textShare` without any texts
 */
export async function freshTables(
  { seed, textShare: share, priorDeviation, contentDeviation, data, texts: kinds }: SettledConfig,
  { model }: OpenBackbone,
  caches: readonly TokenCache[],
): Promise<TokenTables> {
  const { users, items, width } = model.vocabulary;
  if (share > 0 && caches.length === 0) {
    throw new UsageError(
      `textShare is ${share}, and ${data} has no texts of the kinds ${kinds.join(", ")}; prepare the data with reviews or --meta, or leave textShare out`,
    );
  }
  const means =
    share > 0 &&
    (await textMeans({ texts: caches, words: await model.backbone.wordEmbeddings(), width, users, items }));
  return initialTables({
    ...{ users, items, width, seed, priorDeviation },
    ...(caches.length > 0 && { contentDeviation }),
    ...(means && { texts: { means, share } }),
  });
}

/** @throws UsageError where a model would be written over the one that it begins with */
export function refuseOverwriting(from: string, out: string): void {
  if (path.resolve(from) !== path.resolve(out)) return;
  throw new UsageError(
    `--from and --out are both ${from}; finetuning would overwrite what it began with, choose another --out`,
  );
}

/**
 * The tables of the model directory `from`.
 * @throws {TrainingError} it was trained on another dataset or with another backbone
 */
export async function tablesOf(
  from: string,
  { backbone }: Pick<SettledConfig, "backbone">,
  { model }: OpenBackbone,
  dataset: NonNullable<Serving["dataset"]>,
): Promise<TokenTables> {
  const saved = await openTrainedModel(from);
  if (saved.serving.dataset?.hash !== dataset.hash) {
    throw new TrainingError(
      `${from}: was trained on ${saved.serving.dataset?.path}, whose content differs from ${dataset.path}; prepare and pretrain on the same dataset`,
    );
  }
  if (saved.description.backbone.contentHash !== model.backbone.contentHash) {
    throw new TrainingError(
      `${from}: was trained with the backbone ${saved.description.backbone.id}, whose weights differ from ${backbone}; give the same --backbone`,
    );
  }
  return saved.tables;
}
