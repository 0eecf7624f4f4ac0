// What a pretraining run is given: data, hyper-parameters with their defaults, and where it keeps itself.
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

export interface PretrainOptions extends PretrainSettings {
  readonly model: BaseModel;
  /** Of the backbone's vocabulary, extended by the model's users and items. */
  readonly tokenizer: PromptTokenizer;
  /** Where training begins, e.g. from `initialTables`; not changed. Content tables are needed exactly where there are texts. */
  readonly tables: TokenTables;
  /** [I, J] */
  readonly train: Csr;
  /**
   * Documents of reviews and descriptions for the content LM (Eq. 5), e.g. `concatenateSources` of several `textDocuments`. Absent: only
   * the collaborative LM is trained (the paper's LLM-CF).
   */
  readonly texts?: DocumentSource<LanguageDocument>;
  /** The model directory: the tables at the end, and the training state that a run resumes from. Absent: nothing is saved. */
  readonly output?: ModelContent & {
    readonly directory: string;
    /** How the backbone is named in config.json, e.g. its hub id. */
    readonly backboneId: string;
    /** Written into config.json beside this run's own settings. */
    readonly settings?: JsonRecord;
  };
  /** Called after every round of the alternation, e.g. to validate; `stop` ends the run. Has to be a function of its argument alone. */
  readonly afterRound?: (progress: PretrainProgress) => Promise<"continue" | "stop">;
  /** Ends the run after the update under way; it is saved and can go on. */
  readonly stop?: AbortSignal;
  readonly onEvent?: EventListener;
  /** Milliseconds; by default `performance.now`. */
  readonly now?: () => number;
}

/** Hyper-parameters. */
export interface PretrainSettings {
  /** Default 0. */
  readonly seed?: number;
  /** Epochs over the texts before the alternation, without regulariser (Eq. 5); default 10, as in the paper. */
  readonly warmUpEpochs?: number;
  /** Rounds of the alternation: `lSteps` L-steps (Eq. 7), then `cSteps` C-steps (Eq. 8); default 100, the paper's epochs. */
  readonly rounds?: number;
  /** L-steps in a round: a number, or an `epoch` over the users (default). */
  readonly lSteps?: number | "epoch";
  /** C-steps in a round: a number, or an `epoch` over the texts (default). */
  readonly cSteps?: number | "epoch";
  /** Users in an L-step; default `{ documents: 128 }`. */
  readonly batch?: BatchOptions["size"];
  /** Texts in a C-step; default `{ tokens: 4096 }`. */
  readonly textBatch?: BatchOptions["size"];
  /** Of L-steps; default 1e-3, as in the released code. */
  readonly learningRate?: number | LearningRate;
  /** Of warm-up and C-steps, each counted by itself; default: a constant rate at the peak of `learningRate`. */
  readonly contentLearningRate?: number | LearningRate;
  readonly adam?: AdamOptions;
  /** Largest global norm of a gradient; default: no clipping. */
  readonly clipNorm?: number;
  /** λ_c of Eq. 7 and 8; default 0.1 (paper: 1). Without texts there is no such term. */
  readonly lambdaC?: number;
  /** λ_l, the prior of Eq. 1; default 0, as in the paper. */
  readonly lambdaL?: number;
  /** Default `paper`; see `RegulariserScaling`. */
  readonly scaling?: RegulariserScaling;
  /** Default `shuffled`: item tokens are permuted anew in every epoch (§3.3.4); `fixed` is the paper's LLM-FixOrd. */
  readonly order?: ItemOrder;
  /** Inverted dropout on the embeddings of soft tokens, every occurrence by itself; default 0. */
  readonly dropout?: number;
  /** Whether the LM's own dropout acts as well, as in the released code; default false. */
  readonly backboneDropout?: boolean;
  /** The longest interaction document in tokens; default: what the backbone has positions for. */
  readonly maxLength?: number;
  readonly prompts?: Prompts;
  /** Seconds between two checkpoints; default 60. */
  readonly saveEverySeconds?: number;
}

/** Where a run stands after a round of the alternation. */
export interface PretrainProgress {
  /** From 0. */
  readonly round: number;
  /** Updates in all. */
  readonly update: number;
  /** As they stand; not to be changed. */
  readonly tables: TokenTables;
}

export interface PretrainResult {
  /** Without texts there are no content tables in it, so that nothing is later drawn towards numbers that were never trained. */
  readonly tables: TokenTables;
  readonly reason: StopReason;
  readonly updates: number;
}
