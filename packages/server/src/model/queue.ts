// How many requests are in the recommender at a time. It puts those that wait together into one forward pass, so this
// number bounds the size of a batch, and with it how long an answer takes.
import { Problem } from "../problem.js";

/** Settings of a {@link RequestQueue}. */
export interface QueueOptions {
  /** The time from entering the recommender to the answer that the queue aims at, in milliseconds. */
  readonly latencyBound: number;
  /** Most requests in the recommender. */
  readonly maxConcurrent: number;
  /** Most requests that wait to enter. */
  readonly maxWaiting: number;
  /** Milliseconds since any fixed moment. */
  readonly now: () => number;
}

interface Waiting {
  readonly enter: () => void;
}

/**
 * Requests in the order of their arrival, with a limit that follows the measured latency: one more where requests wait
 * and answers come in time, a fifth fewer where they come late (additive increase, multiplicative decrease, as of Chiu
 * and Jain 1989).
 */
export class RequestQueue {
  readonly #options: QueueOptions;
  readonly #waiting = new Set<Waiting>();
  #inside = 0;
  #limit: number;
  /** When the limit was last lowered: the requests that had entered before say nothing about the new one. */
  #lowered = Number.NEGATIVE_INFINITY;
  /** Moving average of the milliseconds between two answers while requests wait. */
  #interval = 1;
  #answered = Number.NEGATIVE_INFINITY;

  constructor(options: QueueOptions) {
    this.#options = options;
    this.#limit = Math.min(32, options.maxConcurrent);
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get inside(): number {
    return this.#inside;
  }

  get limit(): number {
    return this.#limit;
  }

  /**
   * Refuses a call whose requests the queue cannot take, before any of them enters.
   * @throws Problem 503 with `retryAfter`, an estimate in seconds
   */
  admit(requests: number): void {
    const { maxWaiting } = this.#options;
    const places = Math.max(0, this.#limit - this.#inside) + maxWaiting - this.#waiting.size;
    if (requests <= places) return;
    const retryAfter = Math.min(60, Math.max(1, Math.ceil((this.#waiting.size * this.#interval) / 1000)));
    throw new Problem(
      503,
      "busy",
      `${this.#waiting.size} requests wait, and the queue takes ${maxWaiting}; try later`,
      {
        retryAfter,
      },
    );
  }

  /**
   * Does the work of one request when it is its turn. @throws what `work` throws; the signal's reason when aborted
   * while it waits
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T> {
    signal.throwIfAborted();
    if (this.#inside >= this.#limit) await this.#turn(signal);
    else this.#inside++;
    const { now } = this.#options;
    const entered = now();
    try {
      return await work();
    } finally {
      this.#leave(entered, now());
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.delete(one);
        reject(signal.reason);
      };
      const one: Waiting = {
        enter: () => {
          signal.removeEventListener("abort", abort);
          this.#waiting.delete(one);
          this.#inside++;
          resolve();
        },
      };
      signal.addEventListener("abort", abort, { once: true });
      this.#waiting.add(one);
    });
  }

  #leave(entered: number, left: number): void {
    const { latencyBound, maxConcurrent } = this.#options;
    this.#inside--;
    if (left - entered > latencyBound) {
      if (entered >= this.#lowered) {
        this.#limit = Math.max(1, Math.floor(this.#limit * 0.8));
        this.#lowered = left;
      }
    } else if (this.#waiting.size > 0) {
      this.#limit = Math.min(maxConcurrent, this.#limit + 1);
    }
    if (this.#waiting.size > 0) {
      const interval = Math.min(1000, left - this.#answered);
      this.#interval += 0.05 * (interval - this.#interval);
    }
    this.#answered = left;
    for (const one of this.#waiting) {
      if (this.#inside >= this.#limit) break;
      one.enter();
    }
  }
}
