// How requests to the hub are made: counted, abortable, given up when nothing comes, and tried again where that can
// help. Knows nothing of models and files; the official client makes the requests, with the fetch that it gets from
// here.
import { setTimeout as sleep } from "node:timers/promises";
import { HubApiError } from "@huggingface/hub";
import { CheckpointError, errorCode, reasonOf } from "./errors.js";

/** What each call of the client takes. */
export interface ClientRequest {
  readonly fetch: typeof fetch;
  readonly hubUrl: string;
  readonly accessToken?: string;
}

/** What happened in one attempt. */
export interface Trace {
  requests: number;
  /** Of the last answer; 0 before there is one. */
  status: number;
  /** Whether the server was asked to continue a download and sent something else, now or in an earlier attempt. */
  rangeIgnored: boolean;
  /** To be called when data arrives. */
  readonly alive: () => void;
}

/** Settings of {@link withRetries}; see `ResolveOptions` for the meaning of the optional ones. */
export interface RequestSettings {
  readonly hubUrl: string;
  readonly accessToken: string | undefined;
  /** Requests that one attempt may make. */
  readonly maxRequests: number;
  readonly signal?: AbortSignal;
  readonly attempts?: number;
  readonly stallTimeout?: number;
  readonly retryDelay?: number;
}

/** What `work` failed with in the last attempt. */
export class RequestFailure extends Error {
  /** The HTTP status of the last answer, 0 where there was none. */
  readonly status: number;
  readonly attempts: number;

  constructor(reason: string, status: number, attempts: number) {
    super(reason);
    this.status = status;
    this.attempts = attempts;
  }
}

/**
 * Runs `work` until it succeeds, at most `attempts` times. Network and server errors and silence are followed by
 * another attempt after a pause that doubles; what the server refuses (4xx, less 408 and 429) or the disk does is not.
 *
 * @param work gets what every call of the client takes, and the trace of this attempt
 * @throws RequestFailure; CheckpointError where `work` throws one; the signal's reason on an abort
 */
export async function withRetries<T>(
  settings: RequestSettings,
  work: (request: ClientRequest, trace: Trace) => Promise<T>,
): Promise<T> {
  const { hubUrl, accessToken, maxRequests, signal } = settings;
  const { attempts = 4, stallTimeout = 60_000, retryDelay = 500 } = settings;
  let rangeIgnored = false;
  for (let attempt = 1; ; attempt++) {
    const stalled = new AbortController();
    const timer = setTimeout(() => stalled.abort(new Error(`no data for ${stallTimeout / 1000} s`)), stallTimeout);
    const trace: Trace = { requests: 0, status: 0, rangeIgnored, alive: () => timer.refresh() };
    try {
      const fetch = guardedFetch(AbortSignal.any([stalled.signal, ...(signal ? [signal] : [])]), maxRequests, trace);
      return await work({ fetch, hubUrl, ...(accessToken ? { accessToken } : {}) }, trace);
    } catch (error) {
      signal?.throwIfAborted();
      // the disk's: fetch wraps the network's
      if (error instanceof CheckpointError || (error instanceof Error && "syscall" in error)) throw error;
      const status = error instanceof HubApiError ? error.statusCode : trace.status;
      const refused = status >= 400 && status < 500 && status !== 408 && status !== 429;
      // the client refused its arguments; the bound
      const misused = trace.requests === 0 || trace.requests > maxRequests;
      if (refused || misused || attempt >= attempts) {
        const reason = stalled.signal.aborted ? reasonOf(stalled.signal.reason) : networkReason(error);
        throw new RequestFailure(reason, status, attempt);
      }
      rangeIgnored = trace.rangeIgnored;
    } finally {
      clearTimeout(timer);
    }
    const pause = retryDelay * 2 ** (attempt - 1);
    await sleep(pause, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
  }
}

/** fetch that can be aborted, counts, and refuses an answer that is not the range asked for. */
function guardedFetch(signal: AbortSignal, maxRequests: number, trace: Trace): typeof fetch {
  return async (input, init) => {
    if (++trace.requests > maxRequests) throw new Error(`more than ${maxRequests} requests were needed for one thing`);
    const response = await fetch(input, { ...init, signal });
    trace.alive();
    trace.status = response.status;
    // The client appends what comes to what we have: a server that ignores the range would give us the file's beginning
    // again.
    const from = /^bytes=(\d+)-/.exec(new Headers(init?.headers).get("range") ?? "")?.[1];
    if (from !== undefined && from !== "0" && response.ok) {
      const given = /^bytes (\d+)-/.exec(response.headers.get("content-range") ?? "")?.[1];
      if (response.status !== 206 || given !== from) {
        trace.rangeIgnored = true;
        await response.body?.cancel();
        throw new Error("the server does not continue downloads");
      }
    }
    return response;
  };
}

/** The reason that fetch hides in its error's cause, with it. */
function networkReason(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined;
  return cause === undefined ? reasonOf(error) : `${reasonOf(error)} (${errorCode(cause) ?? reasonOf(cause)})`;
}
