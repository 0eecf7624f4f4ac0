// Runs of all engines in this process, one after another: TensorFlow.js has one current backend for all of them.
let last: Promise<unknown> = Promise.resolve();

/** Does the work once everything before it has ended, in whatever way. */
export function exclusively<T>(work: () => Promise<T>): Promise<T> {
  const result = last.then(work);
  last = result.catch(() => {});
  return result;
}
