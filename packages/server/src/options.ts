// The options of `serve`, with their defaults and bounds.
import type { OpenRecommenderOptions } from "@cllm4rec/recommend";

/** Options of {@link serve}. Only `model` is required. */
export interface ServeOptions {
  /** A model directory; several are an ensemble. */
  readonly model: string | readonly string[];
  /** Another model to compare with: requests with `"model": "other"` use it, and the page shows both lists. */
  readonly other?: string | readonly string[];
  /** Default 8080; 0 picks a free one. */
  readonly port?: number;
  /** Default 127.0.0.1: reachable from this machine only. There is no authentication; see the README on proxies. */
  readonly host?: string;
  /** How the recommender is opened: the backbone's path, the engine. */
  readonly recommender?: Omit<OpenRecommenderOptions, "signal">;
  /** A JSONL file of `{ "item": "…", … }` with fields to filter by. */
  readonly fields?: string;
  /** Milliseconds from entering the recommender to the answer, which the batch size is adapted to; default 250. */
  readonly latencyBound?: number;
  /** Most requests in the recommender; default 256. */
  readonly maxConcurrent?: number;
  /** Most waiting requests; further ones get a 503. Default 1024. */
  readonly maxWaiting?: number;
  /** Characters of answers that the cache holds; default 64 Mi; 0 for none. */
  readonly cacheSize?: number;
  /** Bytes of a request's body; default 1 MiB. */
  readonly bodyLimit?: number;
  /** Most items in the history of a request; default 1000. */
  readonly maxHistory?: number;
  /** Most users in one call; default 256. */
  readonly maxUsers?: number;
  /** Most items that are added by their text; default 100,000. */
  readonly maxAddedItems?: number;
  /**
   * Milliseconds between checks of the model directories, which are opened again when they were replaced; default 0,
   * never.
   */
  readonly watch?: number;
  /** Milliseconds for which a closing server still accepts connections while /readyz is 503; default 0. */
  readonly drainDelay?: number;
  /** Milliseconds after which a closing server aborts requests that are still in flight; default 30 000. */
  readonly drainTimeout?: number;
  /** JSON lines of pino; default none. */
  readonly log?: { readonly level: string; readonly stream: NodeJS.WritableStream; readonly requests?: boolean };
  /** Aborts the opening. */
  readonly signal?: AbortSignal;
}

const NUMBERS = {
  port: { initial: 8080, least: 0, most: 65_535 },
  latencyBound: { initial: 250, least: 1, most: 60_000 },
  maxConcurrent: { initial: 256, least: 1, most: 65_536 },
  maxWaiting: { initial: 1024, least: 0, most: 1_000_000 },
  cacheSize: { initial: 64 * 2 ** 20, least: 0, most: 2 ** 40 },
  bodyLimit: { initial: 2 ** 20, least: 1024, most: 2 ** 30 },
  maxHistory: { initial: 1000, least: 1, most: 1_000_000 },
  maxUsers: { initial: 256, least: 1, most: 65_536 },
  maxAddedItems: { initial: 100_000, least: 0, most: 10_000_000 },
  watch: { initial: 0, least: 0, most: 2 ** 31 - 1 },
  drainDelay: { initial: 0, least: 0, most: 2 ** 31 - 1 },
  drainTimeout: { initial: 30_000, least: 0, most: 2 ** 31 - 1 },
} as const;

/** Options that are numbers, each with a value. */
export type Numbers = Readonly<Record<keyof typeof NUMBERS, number>>;

/** @throws RangeError naming the option, the value found and what is expected */
export function resolveNumbers(options: ServeOptions): Numbers {
  const entries = Object.entries(NUMBERS).map(([name, { initial, least, most }]) => {
    const value = options[name as keyof Numbers] ?? initial;
    if (!Number.isSafeInteger(value) || value < least || value > most)
      throw new RangeError(`${name}: found ${value}, expected an integer from ${least} to ${most}`);
    return [name, value];
  });
  const numbers: Numbers = Object.fromEntries(entries);
  if (numbers.maxUsers > numbers.maxConcurrent + numbers.maxWaiting) {
    throw new RangeError(
      `maxUsers: found ${numbers.maxUsers}, expected at most maxConcurrent + maxWaiting, ` +
        `${numbers.maxConcurrent + numbers.maxWaiting}`,
    );
  }
  return numbers;
}
