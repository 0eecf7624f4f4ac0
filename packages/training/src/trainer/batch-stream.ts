// Batches of a task one after another, each made while the engine computes the one before.
import { setImmediate } from "node:timers/promises";
import type { BatchState } from "@cllm4rec/corpus";
import type { PreparedBatch, Task } from "../tasks/task.js";

/** Remembers one batch that was made before its turn. */
export class BatchStream {
  private ahead: { readonly cursor: BatchState; readonly made: PreparedBatch } | undefined;

  constructor(private readonly task: Task) {}

  /** The batch at a place. */
  at(cursor: BatchState): PreparedBatch {
    const { ahead } = this;
    this.ahead = undefined;
    return ahead?.cursor === cursor ? ahead.made : this.task.prepare(cursor);
  }

  /**
   * Makes the batch at a place before its turn, as soon as what was begun just now waits for the engine. An error waits
   * for its turn.
   */
  async prepare(cursor: BatchState): Promise<void> {
    await setImmediate();
    try {
      this.ahead = { cursor, made: this.task.prepare(cursor) };
    } catch {
      this.ahead = undefined;
    }
  }
}
