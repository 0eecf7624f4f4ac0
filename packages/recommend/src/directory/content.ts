// What a model directory takes over from its dataset, and the dataset itself where a model was written without.
import { createHash } from "node:crypto";
import type { Dataset, Manifest } from "@cllm4rec/corpus";
import { HISTORY_SPLITS, type Histories, type ModelContent, type RawIds } from "@cllm4rec/training/model";
import { RecommendError, reasonOf, WrongPartError } from "../error.js";
import type { TrainedModel } from "./trained-model.js";

/** SHA-256 over the hashes of a dataset's files: equal for equal content, wherever it lies. */
export function datasetHash({ files }: Pick<Manifest, "files">): string {
  const hashes = Object.entries(files).map(([name, { sha256 }]) => [name, sha256]);
  return createHash("sha256").update(JSON.stringify(hashes.sort())).digest("hex");
}

/**
 * Raw ids, titles and histories of a dataset, for the `output` of `pretrain` and `finetune`: with them in the model
 * directory, prediction does not need the dataset.
 * @param options.histories false leaves out what users have, e.g. because it may not be passed on; default true
 */
export async function readModelContent(
  dataset: Dataset,
  { histories = true }: { readonly histories?: boolean } = {},
): Promise<ModelContent & { readonly ids: RawIds }> {
  const titles = await dataset.itemTitles();
  return {
    ids: { users: await dataset.rawUserIds(), items: await dataset.rawItemIds() },
    ...(titles.some((title) => title !== null) && { titles }),
    ...(histories && { histories: await readHistories(dataset) }),
  };
}

async function readHistories(dataset: Dataset): Promise<Histories> {
  const matrices: Histories[] = [];
  for (const split of HISTORY_SPLITS) matrices.push({ [split]: await dataset.interactions(split) });
  return Object.assign({}, ...matrices);
}

/**
 * Opens the dataset that the model was trained on; the caller closes it.
 * @param elsewhere where it is now, if it was moved
 * @throws CorpusError where it is no dataset; WrongPartError where it is missing or another one
 */
export async function openItsDataset(model: TrainedModel, elsewhere?: string): Promise<Dataset> {
  const { dataset: recorded } = model.serving;
  const directory = elsewhere ?? recorded?.path;
  if (!recorded || directory === undefined)
    throw new RecommendError(`${model.directory}: the model does not say which dataset it was trained on`);
  const { Dataset } = await import("@cllm4rec/corpus");
  const dataset = await Dataset.open(directory).catch((error: unknown) => {
    if (elsewhere !== undefined) throw error;
    throw new WrongPartError("data", `${reasonOf(error)} ${model.directory} was trained on it.`, {
      missing: true,
      cause: error,
    });
  });
  const found = datasetHash(dataset.manifest);
  if (found !== recorded.hash) {
    dataset.close();
    throw new WrongPartError(
      "data",
      `${directory}: found a dataset with content hash ${found.slice(0, 12)}…, expected ` +
        `${recorded.hash.slice(0, 12)}…, on which ${model.directory} was trained`,
      { missing: false },
    );
  }
  return dataset;
}
