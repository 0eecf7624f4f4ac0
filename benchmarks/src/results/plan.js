// What is measured: data sets, language models and runs by name. Everything that decides a run stands here or in the program's defaults.

/** Arguments of `cllm4rec prepare`; paths are those of the folder with the development data. */
export const DATASETS = {
  beauty: ["--input", "data/amazon-beauty-cllm4rec"],
  "beauty-tags": [
    ...["--input", "data/amazon-beauty-cllm4rec"],
    ...["--meta", "data/amazon-beauty-cllm4rec/item_text.jsonl"],
  ],
  instruments: ["--input", "data/amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz"],
};

export const BACKBONES = /** @type {const} */ (["tinystories-656k", "smollm2-135m"]);

/**
 * @typedef {object} Plan
 * @property {string} about one line for the table
 * @property {keyof typeof DATASETS} dataset
 * @property {typeof BACKBONES[number]} backbone
 * @property {"train" | "finetune"} command
 * @property {readonly number[]} minutes the run is evaluated on the test split at each of these, in rising order
 * @property {string} group the table that the run belongs to
 * @property {Record<string, unknown>} [settings] of the --config file
 */

/** @type {Record<string, Plan>} */
export const RUNS = {};
