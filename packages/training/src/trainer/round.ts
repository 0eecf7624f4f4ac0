// A round of a run: what is trained in it, and the state that validation and callbacks see after it.
import type { TensorData } from "@cllm4rec/backbone";
import type { Json } from "../checkpoint/checkpoint.js";
import type { TrainingEvent } from "../events/events.js";

/** What is trained between two validations. */
export interface Round {
  readonly phase: string;
  /**
   * Tasks by name, in turn: a number of steps, or an epoch, where `steps` is absent, from its next batch to
   * their end.
   */
  readonly segments: readonly { readonly task: string; readonly steps?: number }[];
}

/** Numbers by parameter name. */
export type Values = Readonly<Record<string, TensorData<Float32Array>>>;

/** A run between two rounds. */
export interface RoundContext {
  readonly round: number;
  readonly phase: string;
  readonly update: number;
  readonly memory: Record<string, Json>;
  /** The moving averages where they are kept, else the parameters; not to be changed. */
  readonly values: Values;
  /** Saves the state of the run after this round. */
  save(): Promise<void>;
  emit(event: TrainingEvent): void;
}
