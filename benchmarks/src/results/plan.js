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

/** What served best on validation in one-off trials; the tables say what each part of it does. */
const BEST = {
  textShare: 1,
  priorDeviation: 0.1,
  finetune: {
    learningRate: 3e-3,
    averageDecay: 0.99,
    dropout: 0.2,
    maskedShare: 0.5,
    lambdaC: 0.1,
    contentSteps: 0,
    validateEvery: 5,
  },
};

/** The ablation's budget: enough to tell settings apart, small enough for all of them. */
const EPOCHS = 25;

/**
 * One thing changed, everything else as in BEST, for {@link EPOCHS} epochs.
 * @param {string} about
 * @param {{ finetune?: Record<string, unknown>, [key: string]: unknown }} changes
 * @param {Partial<Plan>} [plan]
 * @returns {Plan}
 */
const ablation = (about, { finetune = {}, ...changes }, plan = {}) => ({
  ...{ about, group: "ablation", dataset: "beauty-tags", backbone: "tinystories-656k", command: "finetune" },
  minutes: [600],
  settings: { ...BEST, ...changes, finetune: { ...BEST.finetune, epochs: EPOCHS, ...finetune } },
  ...plan,
});

/** The paper's LLM-CF has neither texts nor content. */
const withoutText = { textShare: 0 };

/** @type {Record<string, Plan>} */
export const RUNS = {
  "ablation-base": ablation("everything described above", {}),
  "ablation-no-text": ablation("no text at all (LLM-CF)", withoutText, { dataset: "beauty" }),
  "ablation-start-only": ablation("texts for the start, λ_c = 0", { finetune: { lambdaC: 0 } }),
  "ablation-half-text": ablation("half the start from texts", { textShare: 0.5 }),
  "ablation-lambda-1": ablation("λ_c = 1", { finetune: { lambdaC: 1 } }),
  "ablation-lambda-released": ablation("λ_c = 0.0004 in the released code's scaling", {
    finetune: { lambdaC: 0.0004, scaling: "released-code" },
  }),
  "ablation-no-average": ablation("no averaging of the tables", { finetune: { averageDecay: 0 } }),
  "ablation-no-dropout": ablation("no dropout", { finetune: { dropout: 0 } }),
  "ablation-dropout-0.4": ablation("dropout 0.4", { finetune: { dropout: 0.4 } }),
  "ablation-masked-0.2": ablation("masked share 0.2", { finetune: { maskedShare: 0.2 } }),
  "ablation-masked-0.8": ablation("masked share 0.8", { finetune: { maskedShare: 0.8 } }),
  "ablation-all-targets": ablation("all items as targets", { finetune: { targets: "all" } }),
  "ablation-user-token": ablation("the user's token in the prompt", { finetune: { userToken: true } }),
  "ablation-fixed-order": ablation("histories in a fixed order", { finetune: { order: "fixed" } }),
  "ablation-rate-1e-3": ablation("learning rate 1e-3", { finetune: { learningRate: 1e-3 } }),
  "ablation-rate-1e-2": ablation("learning rate 1e-2", { finetune: { learningRate: 1e-2 } }),
  "ablation-scale-0.02": ablation("embedding scale 0.02", { priorDeviation: 0.02 }),
  "ablation-scale-0.5": ablation("embedding scale 0.5, as the vocabulary's", { priorDeviation: 0.5 }),
};
