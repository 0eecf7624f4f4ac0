// How many threads onnxruntime's pool has.
import { availableParallelism } from "node:os";
import { describe } from "../../operators/parameters.js";

/** More than any machine has; onnxruntime itself would try to start them. */
const mostThreads = 1024;

/** @throws RangeError where onnxruntime takes no such number; `source` says where it comes from. */
export function checkThreads(threads: unknown, source = "onnxRuntime: threads"): void {
  if (!Number.isSafeInteger(threads) || (threads as number) < 1 || (threads as number) > mostThreads) {
    throw new RangeError(`${source} must be an integer from 1 to ${mostThreads}, not ${describe(threads)}`);
  }
}

/**
 * Where the options say nothing: what the environment variable CLLM4REC_THREADS says, else as many as the process may
 * use.
 */
export function defaultThreads({ CLLM4REC_THREADS: wish }: NodeJS.ProcessEnv = process.env): number {
  if (wish === undefined || wish === "") return availableParallelism();
  const threads = /^\d+$/.test(wish) ? Number(wish) : wish;
  checkThreads(threads, "the environment variable CLLM4REC_THREADS");
  return Number(threads);
}
