// The exponential moving average of an embedding table over its updates.
import type { EmbeddingTable } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { averagePass } from "../kernels/kernels.js";
import { stretches } from "../optimiser/stretches.js";

// Shape legend: R rows of the table, K width.

/** Owns `table` [R, K], which begins as a copy of the one that is averaged. */
export class MovingAverage {
  /** @throws TrainingError for a decay outside [0, 1) */
  constructor(
    readonly table: EmbeddingTable,
    private readonly width: number,
    private readonly decay: number,
  ) {
    if (!(decay >= 0 && decay < 1)) throw new TrainingError(`averageDecay: found ${decay}, expected 0 ≤ decay < 1`);
  }

  /**
   * Moves the rows that an update changed towards what they are now (with a dense Adam also those that moved by their
   * momentum alone). A row's decay is at most (1 + n)/(10 + n) at its own nth update, so that its start is soon
   * forgotten (as with `num_updates` of TensorFlow's ExponentialMovingAverage), also where it is updated once an epoch.
   * @param rows ascending, without repetition
   * @param rowSteps [R]: updates of each row so far, this one included
   */
  update(current: EmbeddingTable, rows: Int32Array, rowSteps: Int32Array): void {
    const { width, table } = this;
    for (const { row, count, steps } of stretches(rows, rowSteps)) {
      const decay = Math.min(this.decay, (1 + steps) / (10 + steps));
      averagePass(table.data, current.data, row * width, count * width, decay);
    }
  }
}
