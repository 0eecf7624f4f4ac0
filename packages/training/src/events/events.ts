// What trainers say while they work: one union of plain objects. A trainer prints nothing; whoever listens draws, logs
// or plots.

interface Common {
  /** The trainer: `pretrain`, `finetune`. */
  readonly stage: string;
}

/** A run begins, from its start or from a checkpoint. */
export interface RunStarted extends Common {
  readonly type: "run-started";
  /** Updates done before, 0 for a new run. */
  readonly update: number;
  readonly resumedFrom?: string;
}

/** Something that the reader of a run should know, e.g. `no-text`: without text this is the paper's LLM-CF. */
export interface Notice extends Common {
  readonly type: "notice";
  readonly code: string;
  readonly message: string;
}

/** One optimiser update is done. */
export interface StepDone extends Common {
  readonly type: "step";
  /** Part of the stage: `warm-up`, `alternation`, `recommendation`. */
  readonly phase: string;
  /** What the update was for: `rec-step`, `l-step`, `c-step`. */
  readonly task: string;
  /** From 0; what a round is, the stage says (usually an epoch). */
  readonly round: number;
  /** Steps done of this task in this round, and how many there will be. */
  readonly step: number;
  readonly steps: number;
  /** Updates of the whole run so far, this one included. */
  readonly update: number;
  readonly objective: number;
  /** The loss on the data: a language model's, or that of a task of your own. */
  readonly languageModel: number;
  /** The λ_c term. */
  readonly mutual: number;
  /** The λ_l term. */
  readonly prior: number;
  /** Other terms of the objective, by name: those of tasks of your own, and `l2`. */
  readonly terms?: Readonly<Record<string, number>>;
  /** Global norm of the gradient before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  readonly documents: number;
  readonly targets: number;
  readonly usefulTokens: number;
  readonly computedTokens: number;
  /** Wall time of the update, data and optimiser included; 0 where no clock was passed in. */
  readonly milliseconds: number;
}

/** All of a round's steps are done. */
export interface RoundDone extends Common {
  readonly type: "round";
  readonly phase: string;
  readonly round: number;
  readonly update: number;
  /** Mean of the language model's loss over the round's steps, by task. */
  readonly languageModel: Readonly<Record<string, number>>;
}

export interface ValidationDone extends Common {
  readonly type: "validation";
  readonly round: number;
  readonly update: number;
  readonly users: number;
  readonly metrics: Readonly<Record<string, number>>;
  /** What the best model is chosen by. */
  readonly selection: number;
  /** Whether this is the best so far. */
  readonly best: boolean;
  readonly milliseconds: number;
}

export interface CheckpointSaved extends Common {
  readonly type: "checkpoint";
  readonly file: string;
  readonly update: number;
  readonly milliseconds: number;
}

export interface RunEnded extends Common {
  readonly type: "run-ended";
  readonly reason: StopReason;
  readonly update: number;
}

/**
 * `finished`: all rounds are done. `early`: the trainer saw no reason to continue. `stopped`: from outside; saved, and
 * can be resumed.
 */
export type StopReason = "finished" | "early" | "stopped";

export type TrainingEvent = RunStarted | Notice | StepDone | RoundDone | ValidationDone | CheckpointSaved | RunEnded;

export type EventListener = (event: TrainingEvent) => void;

/** A listener that hands every event to all of `listeners`, in order. */
export function toAll(...listeners: readonly EventListener[]): EventListener {
  return (event) => {
    for (const listener of listeners) listener(event);
  };
}
