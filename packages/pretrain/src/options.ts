// What a pretraining run is given beside its settings: data, and where it keeps itself.
import type { BaseModel } from "@cllm4rec/backbone";
import type { Csr, DocumentSource, LanguageDocument, Prompts, PromptTokenizer } from "@cllm4rec/corpus";
import type { EventListener, StopReason } from "@cllm4rec/training";
import type { StageOutput, TokenTables } from "@cllm4rec/training/stage";
import type { PretrainSettings } from "./settings.js";

// Shape legend: I users, J items.

/** The data of a run, and what surrounds it. */
export interface PretrainOptions extends PretrainSettings {
  readonly model: BaseModel;
  /** Of the backbone's vocabulary, extended by the model's users and items. */
  readonly tokenizer: PromptTokenizer;
  /**
   * Where training begins; not changed. Default: `startingTables` of `@cllm4rec/training` with this run's seed and
   * scale. Content tables are needed exactly where there are texts.
   */
  readonly tables?: TokenTables | undefined;
  /** [I, J] */
  readonly train: Csr;
  /**
   * Documents of reviews and descriptions for the content LM (Eq. 5), e.g. `concatenateSources` of several
   * `textDocuments`. Absent: only the collaborative LM is trained (the paper's LLM-CF).
   */
  readonly texts?: DocumentSource<LanguageDocument> | undefined;
  readonly prompts?: Prompts | undefined;
  /**
   * The model directory: the tables at the end, and the training state that a run resumes from. Absent: nothing is
   * saved.
   */
  readonly output?: StageOutput | undefined;
  /**
   * Called after every round of the alternation, e.g. to validate; `stop` ends the run. Has to be a function of its
   * argument alone.
   */
  readonly afterRound?: ((progress: PretrainProgress) => Promise<"continue" | "stop">) | undefined;
  /** Ends the run after the current update; the state is saved, and the run can be resumed. */
  readonly stop?: AbortSignal | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Milliseconds; by default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** The progress of a run after a round of the alternation. */
export interface PretrainProgress {
  /** From 0. */
  readonly round: number;
  /** Updates in all. */
  readonly update: number;
  /** The current values; do not change them. */
  readonly tables: TokenTables;
}

/** How a run ended. */
export interface PretrainResult {
  /**
   * Without texts there are no content tables in it, so that nothing is later drawn towards numbers that were never
   * trained.
   */
  readonly tables: TokenTables;
  readonly reason: StopReason;
  readonly updates: number;
}
