// The tables that a run begins with: random ones, ones moved towards the texts, or those of an earlier run.
import path from "node:path";
import { combineFeatures, type FeatureBlock, type TokenCache } from "@cllm4rec/corpus";
import type { Serving, TrainedModel } from "@cllm4rec/recommend";
import { TrainingError } from "@cllm4rec/training";
import { startingTables, type TokenTables } from "@cllm4rec/training/stage";
import { UsageError } from "../errors.js";
import type { OpenBackbone } from "../models/workplace.js";
import type { ResolvedConfig } from "./resolve-config.js";

/**
 * Tables by the configuration's seed and scales. Content tables are made where texts are read.
 * @throws {UsageError} `textShare` without any texts
 */
export async function freshTables(
  config: ResolvedConfig,
  { model }: OpenBackbone,
  caches: readonly TokenCache[],
  features: readonly FeatureBlock[] | undefined,
): Promise<TokenTables> {
  refuseShareWithoutTexts(config, caches.length > 0);
  const { seed, textShare, priorDeviation, contentDeviation } = config;
  return startingTables({
    model,
    seed,
    texts: caches,
    textShare,
    priorDeviation,
    contentDeviation,
    features: features && combineFeatures(features),
  });
}

/** @throws {UsageError} where the start is to be taken from texts, and there are none */
export function refuseShareWithoutTexts({ textShare, data, texts }: ResolvedConfig, hasTexts: boolean): void {
  if (textShare === 0 || hasTexts) return;
  throw new UsageError(
    `textShare is ${textShare}, and ${data} has no texts of the kinds ${texts.join(", ")}; prepare the data with ` +
      "reviews or --meta, or leave textShare out",
  );
}

/** @throws UsageError where a model would be written over the one that it begins with */
export function refuseOverwriting(from: string, out: string): void {
  if (path.resolve(from) !== path.resolve(out)) return;
  throw new UsageError(
    `--from and --out are both ${from}; finetuning would overwrite what it began with, choose another --out`,
  );
}

/**
 * The tables of the model that a run begins with.
 * @throws {TrainingError} it was trained on another dataset or with another backbone
 */
export function tablesOf(
  saved: TrainedModel,
  { backbone }: Pick<ResolvedConfig, "backbone">,
  { model }: OpenBackbone,
  dataset: NonNullable<Serving["dataset"]>,
): TokenTables {
  const { directory: from } = saved;
  if (saved.serving.dataset?.hash !== dataset.hash) {
    throw new TrainingError(
      `${from}: was trained on ${saved.serving.dataset?.path}, whose content differs from ${dataset.path}; ` +
        "prepare and pretrain on the same dataset",
    );
  }
  const different = model.backbone.difference(saved.description.backbone);
  if (different) {
    throw new TrainingError(
      `${from}: was trained with the backbone ${saved.description.backbone.id}, whose ${different} ` +
        `${different === "weights" ? "differ" : "differs"} from ${backbone}; give the same --backbone`,
    );
  }
  return saved.tables;
}
