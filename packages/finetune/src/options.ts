// What a finetuning run is given beside its settings: data, and where it keeps itself.
import type { BaseModel } from "@cllm4rec/backbone";
import type { Csr, DocumentSource, FeatureBlock, LanguageDocument, Prompts, PromptTokenizer } from "@cllm4rec/corpus";
import type { BestModel, EventListener, StopReason } from "@cllm4rec/training";
import type { StageOutput, TokenTables } from "@cllm4rec/training/stage";
import type { FinetuneSettings } from "./settings.js";

// Shape legend: I users, J items.

/** The data of a run, and what surrounds it. */
export interface FinetuneOptions extends FinetuneSettings {
  readonly model: BaseModel;
  /** Of the backbone's vocabulary, extended by the model's users and items. */
  readonly tokenizer: PromptTokenizer;
  /**
   * Where training begins, e.g. the result of pretraining; not changed. Default: `startingTables` of
   * `@cllm4rec/training` with this run's seed and scale.
   */
  readonly tables?: TokenTables | undefined;
  /** [I, J] */
  readonly train: Csr;
  /** [I, J] what the best model is chosen on. Absent: the model after the last epoch is the result. */
  readonly validation?: Csr | undefined;
  /**
   * Documents of reviews and descriptions (Eq. 5), on which the content tables continue to be trained; needs
   * `tables.content`.
   */
  readonly texts?: DocumentSource<LanguageDocument> | undefined;
  /**
   * Features of the items' texts, [J, columns] each, such as `wordFeatures` of `@cllm4rec/corpus`. Given: an item's
   * embedding is a learned linear function of them plus a part of its own (the text map). Absent: the paper's method.
   */
  readonly features?: readonly FeatureBlock[] | undefined;
  readonly prompts?: Prompts | undefined;
  /**
   * The model directory: the best model so far, and the training state that a run resumes from. Absent: nothing is
   * saved.
   */
  readonly output?: StageOutput | undefined;
  /** Ends the run after the current update; the state is saved, and the run can be resumed. */
  readonly stop?: AbortSignal | undefined;
  readonly onEvent?: EventListener | undefined;
  /** Milliseconds; by default `performance.now`. */
  readonly now?: (() => number) | undefined;
}

/** How a run ended. */
export interface FinetuneResult {
  /** The best model's tables; without validation the last ones. */
  readonly tables: TokenTables;
  /** Absent without validation, or where the run was stopped before the first. */
  readonly best?: BestModel;
  readonly reason: StopReason;
  readonly updates: number;
}
