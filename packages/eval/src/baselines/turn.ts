// A pause in long work of one thread.

/** Lets timers, signals and other work of the process run. */
export const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
