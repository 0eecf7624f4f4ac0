// What a finetuning run is given: data, hyper-parameters with their defaults, and where it keeps itself.
import type { BaseModel } from "@cllm4rec/backbone";
import type {
  BatchOptions,
  Csr,
  DocumentSource,
  ItemOrder,
  LanguageDocument,
  Prompts,
  PromptTokenizer,
} from "@cllm4rec/corpus";
import type { MetricName } from "@cllm4rec/eval";
import type {
  AdamOptions,
  EventListener,
  JsonRecord,
  LearningRate,
  ModelContent,
  RegulariserScaling,
  StopReason,
  TokenTables,
} from "@cllm4rec/training";

// Shape legend: I users, J items.

export interface FinetuneOptions extends FinetuneSettings {
  readonly model: BaseModel;
  /** Of the backbone's vocabulary, extended by the model's users and items. */
  readonly tokenizer: PromptTokenizer;
  /** Where training begins, e.g. from `initialTables` or from pretraining; not changed. */
  readonly tables: TokenTables;
  /** [I, J] */
  readonly train: Csr;
  /** [I, J] what the best model is chosen on. Absent: the model after the last epoch is the result. */
  readonly validation?: Csr;
  /** Documents of reviews and descriptions (Eq. 5), on which the content tables go on training; needs `tables.content`. */
  readonly texts?: DocumentSource<LanguageDocument>;
  /** The model directory: the best model so far, and the training state that a run resumes from. Absent: nothing is saved. */
  readonly output?: ModelContent & {
    readonly directory: string;
    /** How the backbone is named in config.json, e.g. its hub id. */
    readonly backboneId: string;
    /** Written into config.json beside this run's own settings. */
    readonly settings?: JsonRecord;
  };
  /** Ends the run after the update under way; it is saved and can go on. */
  readonly stop?: AbortSignal;
  readonly onEvent?: EventListener;
  /** Milliseconds; by default `performance.now`. */
  readonly now?: () => number;
}

/** Hyper-parameters. Those without a source in the paper have defaults from the trial in this package's README. */
export interface FinetuneSettings {
  /** Default 0. */
  readonly seed?: number;
  /** Default 100 (paper: 150). A finished run that is started again with more goes on; one that `patience` ended does not. */
  readonly epochs?: number;
  /** Default 128 users. */
  readonly batch?: BatchOptions["size"];
  /** Default 1e-3 (released code: 1e-4, with batches of 160). */
  readonly learningRate?: number | LearningRate;
  /** Of the content tables; default: `learningRate`. */
  readonly contentLearningRate?: number | LearningRate;
  readonly adam?: AdamOptions;
  /**
   * The model is judged and published by an exponential moving average of the tables with this decay per update, default 0.999; 0, as in
   * the paper: by the tables themselves. Averaging over about 1/(1 − decay) updates takes the noise of the last ones out.
   */
  readonly averageDecay?: number;
  /** Largest global norm of a gradient; default: no clipping. */
  readonly clipNorm?: number;
  /** `held-out` (Eq. 9, default): predict the masked items. `all` (released code): all of the user's training items. */
  readonly targets?: "held-out" | "all";
  /** p_m, a number or a range that each document draws from; default 0.2 to 0.8 (released code: 0.2). */
  readonly maskedShare?: number | readonly [number, number];
  /** Whether the user's own token stands in the prompt; default false (paper: true). */
  readonly userToken?: boolean;
  /** Default `shuffled`: the history is permuted anew in every epoch (§3.4.2). */
  readonly order?: ItemOrder;
  /** Inverted dropout on the embeddings of soft tokens, every occurrence by itself; default 0. */
  readonly dropout?: number;
  /** Whether the LM's own dropout acts as well, as in the released code; default false. */
  readonly backboneDropout?: boolean;
  /** λ_c towards the content tables, where there are any; default 0.1 (paper: 1). */
  readonly lambdaC?: number;
  /** λ_l, the prior of Eq. 1; default 0, as in the paper. */
  readonly lambdaL?: number;
  /** Default `paper`; see `RegulariserScaling`. */
  readonly scaling?: RegulariserScaling;
  /** Content updates after each epoch's recommendation updates: a number, 0 for content tables that stay as they are, or an `epoch` of the texts (default). */
  readonly contentSteps?: number | "epoch";
  /** Default 4096 tokens. */
  readonly textBatch?: BatchOptions["size"];
  /** The longest prompt in tokens; default: what the backbone has positions for. */
  readonly maxLength?: number;
  readonly prompts?: Prompts;
  /** Default: the paper's, recall@20, recall@40 and ndcg@100. */
  readonly metrics?: readonly MetricName[];
  /** The best model has the highest sum of these; default: all of `metrics`, as in the released code. */
  readonly selectBy?: readonly MetricName[];
  /** Epochs between validations; default 1. */
  readonly validateEvery?: number;
  /** Validations without a new best after which the run ends; default: none ends it. */
  readonly patience?: number;
  /** Seconds between two checkpoints; default 60. */
  readonly saveEverySeconds?: number;
}

/** A validated state of the model. */
export interface BestModel {
  /** From 0. */
  readonly epoch: number;
  /** The sum of the metrics that the model was chosen by. */
  readonly selection: number;
  readonly metrics: Readonly<Record<string, number>>;
}

export interface FinetuneResult {
  /** The best model's tables; without validation the last ones. */
  readonly tables: TokenTables;
  /** Absent without validation, or where the run was stopped before the first. */
  readonly best?: BestModel;
  readonly reason: StopReason;
  readonly updates: number;
}
