// Requests that arrive together are answered together: those of one tick of the event loop, and those that come while
// the engine is busy.

interface Waiting<Q, A> {
  readonly request: Q;
  /** True once the caller has an answer or an error, or has given up. */
  done: boolean;
  resolve(answer: A): void;
  reject(reason: unknown): void;
}

/** Answers requests in groups, one group at a time, in the order of the calls. */
export class Batcher<Q, A> {
  #waiting: Waiting<Q, A>[] = [];
  #running: { readonly group: readonly Waiting<Q, A>[]; readonly nobody: AbortController } | undefined;
  #draining: Promise<void> | undefined;
  #closed: Error | undefined;

  /**
   * @param answer one answer a request, in their order; its signal is aborted when nobody waits for the group any more
   * @param most requests in a group
   */
  constructor(
    private readonly answer: (requests: readonly Q[], signal: AbortSignal) => Promise<readonly A[]>,
    private readonly most: number,
  ) {}

  /** @throws what `answer` throws, and the signal's reason as soon as it is aborted */
  submit(request: Q, signal?: AbortSignal): Promise<A> {
    return new Promise((resolve, reject) => {
      if (this.#closed) throw this.#closed;
      signal?.throwIfAborted();
      const finish = <V>(end: (value: V) => void) => {
        return (value: V) => {
          one.done = true;
          signal?.removeEventListener("abort", giveUp);
          end(value);
        };
      };
      const one: Waiting<Q, A> = { request, done: false, resolve: finish(resolve), reject: finish(reject) };
      const giveUp = () => {
        one.reject(signal?.reason);
        const { group, nobody } = this.#running ?? {};
        if (group?.every(({ done }) => done)) nobody?.abort(signal?.reason);
      };
      signal?.addEventListener("abort", giveUp);
      this.#waiting.push(one);
      this.#draining ??= this.#drain();
    });
  }

  /** Refuses what waits and what comes; resolves when the current group is answered. */
  async close(reason: Error): Promise<void> {
    this.#closed ??= reason;
    for (const one of this.#waiting.splice(0)) if (!one.done) one.reject(reason);
    await this.#draining;
  }

  async #drain(): Promise<void> {
    do {
      // Requests that the event loop still delivers in this tick join the group.
      await new Promise(setImmediate);
      const group = this.#waiting.splice(0, this.most).filter(({ done }) => !done);
      if (group.length > 0) await this.#run(group);
    } while (this.#waiting.length > 0);
    this.#draining = undefined;
  }

  async #run(group: readonly Waiting<Q, A>[]): Promise<void> {
    const nobody = new AbortController();
    this.#running = { group, nobody };
    try {
      const answers = await this.answer(
        group.map(({ request }) => request),
        nobody.signal,
      );
      for (const [at, one] of group.entries()) one.resolve(answers[at]!);
    } catch (error) {
      for (const one of group) one.reject(error);
    }
    this.#running = undefined;
  }
}
