// What is measured: data sets, language models and runs by name. Everything that decides a run stands here or in the
// program's defaults.

/** Arguments of `cllm4rec prepare`; paths are those of the folder with the development data. */
export const DATASETS = {
  beauty: ["--input", "data/amazon-beauty-cllm4rec"],
  "beauty-tags": [
    ...["--input", "data/amazon-beauty-cllm4rec"],
    ...["--meta", "data/amazon-beauty-cllm4rec/item_text.jsonl"],
  ],
  /** Tags as the items' texts, title words as their titles: two files, joined by `joinedMetadata`. */
  "beauty-titles": ["--input", "data/amazon-beauty-cllm4rec", "--meta", "joined:beauty"],
  /** The same, a fifth of the items held out of training. */
  "beauty-cold": [
    ...["--input", "data/amazon-beauty-cllm4rec", "--meta", "joined:beauty"],
    ...["--hold-out-items", "0.2"],
  ],
  instruments: ["--input", "data/amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz"],
};

/** What `baselines` measures: what each of them reads, for the table. */
export const BASELINES = /** @type {const} */ ({
  "beauty-tags": "tags",
  "beauty-titles": "tags, title words",
  instruments: "reviews",
});

export const BACKBONES = /** @type {const} */ (["tinystories-656k", "tinystories-656k-random", "smollm2-135m"]);

/**
 * @typedef {object} Plan
 * @property {string} about one line for the table
 * @property {keyof typeof DATASETS} dataset
 * @property {typeof BACKBONES[number]} backbone
 * @property {"train" | "finetune"} command
 * @property {readonly number[]} minutes the run is evaluated on the test split at each of these, in rising order
 * @property {string} group the table that the run belongs to
 * @property {string} [against] the run that it is compared with user by user, beside simple recommenders
 * @property {Record<string, unknown>} [settings] of the --config file
 */

/** What served best on validation in one-off trials; the table of the ablation says what each part of it does. */
const BEST = {
  method: "paper",
  prompts: { historyOnly: "{history}:" },
  textShare: 1,
  priorDeviation: 0.1,
  finetune: {
    learningRate: 3e-3,
    averageDecay: 0.999,
    dropout: 0,
    maskedShare: [0.2, 0.8],
    lambdaC: 0.3,
    contentSteps: 0,
    validateEvery: 5,
    patience: 4,
  },
};

/** Without texts there is no content: the paper's LLM-CF. */
const WITHOUT_TEXT = { textShare: 0 };

/**
 * The first block of SmolLM2. Its hidden states are six times as long as those of tinystories-656k, so that the same
 * step of an embedding changes a logit more, and λ_c has to be larger to pull as strongly: scale and steps are smaller,
 * λ_c is larger.
 */
const SMOLLM2 = { layers: 1, priorDeviation: 0.01, finetune: { learningRate: 5e-4, lambdaC: 0.5 } };
/** All of its 30 blocks: an epoch takes minutes, so validation comes early. */
const SMOLLM2_WHOLE = { priorDeviation: 0.02, finetune: { learningRate: 5e-4, lambdaC: 0.5, validateEvery: 2 } };
/** With few users it may pull more. */
const SMOLLM2_INSTRUMENTS = { ...SMOLLM2, finetune: { learningRate: 4e-4, lambdaC: 2 } };

/** Both stages: content from the texts, collaborative embeddings from the purchases, in alternation. */
const PRETRAINED = { pretrain: { warmUpEpochs: 2, rounds: 4, batch: 128, learningRate: 3e-3, lambdaC: 0.1 } };
/** The same in SmolLM2's proportions, over shorter pieces of the reviews: its vocabulary makes every word dear. */
const PRETRAINED_SMOLLM2 = {
  textLength: 64,
  pretrain: { warmUpEpochs: 1, rounds: 2, batch: 128, learningRate: 4e-4, lambdaC: 2 },
};

/** @typedef {{ finetune?: Record<string, unknown>, [key: string]: unknown }} Settings */

/**
 * Settings with some of them changed.
 * @param {Settings} settings
 * @param {...Settings} changes
 * @returns {Settings}
 */
function changed(settings, ...changes) {
  return Object.assign({}, settings, ...changes, {
    finetune: Object.assign({}, ...[settings, ...changes].map(({ finetune }) => finetune)),
  });
}

/** Minutes for a run that its epochs end. */
export const UNLIMITED = 600;

/** The ablation's budget: enough to tell settings apart, small enough for all of them. */
const EPOCHS = 25;

/**
 * One thing changed, everything else as in BEST, for {@link EPOCHS} epochs.
 * @param {string} about
 * @param {Settings} changes
 * @param {Partial<Plan>} [plan]
 * @returns {Plan}
 */
const ablation = (about, changes, plan = {}) => ({
  ...{ about, group: "ablation", dataset: "beauty-tags", backbone: "tinystories-656k", command: "finetune" },
  minutes: [UNLIMITED],
  settings: changed(BEST, { finetune: { epochs: EPOCHS } }, changes),
  ...plan,
});

/**
 * Until patience ends it.
 * @param {string} about
 * @param {Plan["dataset"]} dataset
 * @param {Plan["backbone"]} backbone
 * @param {readonly Settings[]} changes
 * @returns {Plan}
 */
const beauty = (about, dataset, backbone, ...changes) => ({
  ...{ about, group: "beauty", dataset, backbone, command: "finetune", minutes: [20, 60] },
  settings: changed(BEST, ...changes),
});

/**
 * Full reviews: content is learned from them before the purchases, or left out (LLM-CF).
 * @param {string} name
 * @param {string} lm
 * @param {Plan["backbone"]} backbone
 * @param {Settings} pretrained
 * @param {readonly Settings[]} changes
 * @returns {Record<string, Plan>}
 */
function bothWays(name, lm, backbone, pretrained, ...changes) {
  const common = {
    group: "instruments",
    dataset: /** @type {const} */ ("instruments"),
    backbone,
    minutes: [UNLIMITED],
  };
  // A few hundred users make few updates an epoch, and validation wavers: no early end.
  const settings = changed(BEST, { finetune: { averageDecay: 0.99, epochs: 160, patience: 1000 } }, ...changes);
  const cf = `${name}-cf`;
  return {
    [name]: {
      ...common,
      about: `CLLM4Rec, ${lm}`,
      command: "train",
      against: cf,
      settings: changed(settings, pretrained),
    },
    [cf]: { ...common, about: `LLM-CF, ${lm}`, command: "finetune", settings: changed(settings, WITHOUT_TEXT) },
  };
}

/**
 * `train` with its defaults, for five minutes.
 * @param {string} about
 * @param {Settings} settings
 * @param {Plan["backbone"]} backbone
 * @returns {Plan}
 */
function textMap(about, settings, backbone = "tinystories-656k") {
  return { about, group: "text-map", dataset: "beauty-titles", backbone, command: "train", minutes: [5], settings };
}

/** @type {Record<string, Plan>} */
export const RUNS = {
  "beauty-tinystories": beauty("tinystories-656k, no text", "beauty", "tinystories-656k", WITHOUT_TEXT),
  "beauty-tinystories-tags": beauty("tinystories-656k, tags", "beauty-tags", "tinystories-656k"),
  "beauty-random-tags": beauty("tinystories-656k with random weights, tags", "beauty-tags", "tinystories-656k-random"),
  "beauty-smollm2": beauty("SmolLM2, first block, no text", "beauty", "smollm2-135m", SMOLLM2, WITHOUT_TEXT),
  "beauty-smollm2-tags": beauty("SmolLM2, first block, tags", "beauty-tags", "smollm2-135m", SMOLLM2),
  "beauty-smollm2-whole": {
    ...beauty("SmolLM2, all 30 blocks, tags, two threads", "beauty-tags", "smollm2-135m", SMOLLM2_WHOLE),
    minutes: [20],
  },

  ...bothWays("instruments-tinystories", "tinystories-656k", "tinystories-656k", PRETRAINED),
  ...bothWays("instruments-sentence", "tinystories-656k, the paper's sentence", "tinystories-656k", PRETRAINED, {
    prompts: {},
    finetune: { lambdaC: 0.1 },
  }),
  ...bothWays("instruments-smollm2", "SmolLM2's first block", "smollm2-135m", PRETRAINED_SMOLLM2, SMOLLM2_INSTRUMENTS),

  "text-map": textMap("one model", { blend: "none" }),
  "text-map-blend": textMap("the blend that `train` makes by default", {}),
  "text-map-random-lm": textMap("one model, an LM with random weights", { blend: "none" }, "tinystories-656k-random"),
  "text-map-no-skip": textMap("one model without the skip path", { blend: "none", finetune: { skipGain: 0 } }),

  "ablation-base": ablation("everything described above", {}),
  "ablation-no-text": ablation("no text at all (LLM-CF)", WITHOUT_TEXT, { dataset: "beauty" }),
  "ablation-half-text": ablation("half the start from texts", { textShare: 0.5 }),
  "ablation-lambda-0": ablation("λ_c = 0", { finetune: { lambdaC: 0 } }),
  "ablation-lambda-1": ablation("λ_c = 1", { finetune: { lambdaC: 1 } }),
  "ablation-lambda-released": ablation("λ_c = 0.0004 in the released code's scaling", {
    finetune: { lambdaC: 0.0004, scaling: "released-code" },
  }),
  "ablation-pretrained": ablation("pretrained on tags and purchases first", PRETRAINED, { command: "train" }),
  "ablation-random-lm": ablation("an LM with random weights", {}, { backbone: "tinystories-656k-random" }),
  "ablation-one-block": ablation("the LM's first block alone", { layers: 1 }),
  "ablation-smollm2": ablation("SmolLM2's first block, width 576", SMOLLM2, { backbone: "smollm2-135m" }),
  "ablation-sentence": ablation("the paper's sentence as the prompt", { prompts: {} }),
  "ablation-no-average": ablation("no averaging of the tables", { finetune: { averageDecay: 0 } }),
  "ablation-average-0.99": ablation("averages with decay 0.99", { finetune: { averageDecay: 0.99 } }),
  "ablation-dropout-0.2": ablation("dropout 0.2 on the soft tokens", { finetune: { dropout: 0.2 } }),
  "ablation-masked-0.2": ablation("masked share 0.2", { finetune: { maskedShare: 0.2 } }),
  "ablation-masked-0.5": ablation("masked share 0.5", { finetune: { maskedShare: 0.5 } }),
  "ablation-all-targets": ablation("all items as targets", { finetune: { targets: "all" } }),
  "ablation-user-token": ablation("the user's token in the prompt", { finetune: { userToken: true } }),
  "ablation-fixed-order": ablation("histories in a fixed order", { finetune: { order: "fixed" } }),
  "ablation-rate-1e-3": ablation("learning rate 1e-3", { finetune: { learningRate: 1e-3 } }),
  "ablation-rate-1e-2": ablation("learning rate 1e-2", { finetune: { learningRate: 1e-2 } }),
  "ablation-scale-0.02": ablation("embedding scale 0.02", { priorDeviation: 0.02 }),
  "ablation-scale-0.5": ablation("embedding scale 0.5, as the vocabulary's", { priorDeviation: 0.5 }),
};
