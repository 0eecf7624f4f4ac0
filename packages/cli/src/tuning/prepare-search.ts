// What a search works with, opened once before its first trial: the space in numbers, and what tells it from others.
import { Dataset } from "@cllm4rec/corpus";
import type { JsonRecord } from "@cllm4rec/training";
import { closing } from "../closing.js";
import { UsageError } from "../errors.js";
import { datasetHash, openBackbone } from "../models/workplace.js";
import { effectiveSettings } from "../settings/effective.js";
import { resolveConfig } from "../training/resolve-config.js";
import { itemFeatures, textsOf } from "../training/texts.js";
import { defaultSpace, readSpace, resolveSpace } from "./space.js";
import type { TuneOptions } from "./tune.js";

/** Paths and engine: a search may be moved, and resumed with other threads. */
const FREE = ["data", "backbone", "out", "minutes", "engine", "threads", "saveEverySeconds", "report", "blend"];

/** @throws UsageError where the dataset has no validation items, or the space does not fit the settings */
export function prepareSearch({ config, stages, from, space: file, signal, display }: TuneOptions) {
  return closing(async (later) => {
    const dataset = await Dataset.open(config.data);
    later(() => dataset.close());
    const { users, items, manifest } = dataset;
    if (manifest.validation === 0) {
      throw new UsageError(`${config.data}: has no validation items to choose by; prepare it with --validation-share`);
    }
    const specification = file === undefined ? undefined : readSpace(file);
    const { backbone, maxLength, layers } = config;
    const sizes = { users, items };
    const opened = await openBackbone(backbone, sizes, { signal, display, maxLength, layers, engine: config });
    later(() => opened.dispose());
    const hasTextMap = config.method === "text-map" && (await itemFeatures(dataset)) !== undefined;
    const defaults = await resolveConfig(config, opened.model.backbone, {
      learnsFromTexts: stages.includes("pretrain") && textsOf(dataset, config) > 0,
      features: hasTextMap,
    });
    const space = resolveSpace(specification ?? defaultSpace(hasTextMap), defaults, file ?? "the default space");
    const { settings } = effectiveSettings(from === undefined ? "train" : "finetune", config);
    const identity: JsonRecord = {
      dataset: datasetHash(manifest),
      backbone: opened.model.backbone.contentHash,
      from: from ?? null,
      ...prefixed("space", JSON.parse(JSON.stringify(space))),
      ...flat(settings),
    };
    return { space, identity };
  });
}

/** Settings by place, without those that may differ between two sittings. */
function flat(settings: JsonRecord): JsonRecord {
  const { finetune, pretrain, prompts, ...general } = settings;
  const { epochs: _, ...rest } = (finetune ?? {}) as JsonRecord;
  for (const name of FREE) delete (general as Record<string, unknown>)[name];
  return {
    ...general,
    ...prefixed("finetune", rest),
    ...prefixed("pretrain", (pretrain ?? {}) as JsonRecord),
    ...prefixed("prompts", (prompts ?? {}) as JsonRecord),
  };
}

const prefixed = (prefix: string, values: JsonRecord): JsonRecord =>
  Object.fromEntries(Object.entries(values).map(([name, value]) => [`${prefix}.${name}`, value]));
