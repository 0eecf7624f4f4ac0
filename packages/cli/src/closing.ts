// Closing what was opened, in reverse order, whatever happens: as AsyncDisposableStack does, on every supported version
// of Node.

/** Gives one thing back. */
export type Close = () => unknown;

/**
 * Runs `work`, then everything that it put off with `later`, last first. All of it runs, also where some of it fails;
 * the first error is thrown, and the others are in its `suppressed`.
 */
export async function closing<T>(work: (later: (close: Close) => void) => Promise<T>): Promise<T> {
  const closes: Close[] = [];
  const errors: unknown[] = [];
  let result: { readonly value: T } | undefined;
  try {
    result = { value: await work((close) => closes.push(close)) };
  } catch (error) {
    errors.push(error);
  }
  for (const close of closes.reverse()) {
    try {
      await close();
    } catch (error) {
      errors.push(error);
    }
  }
  if (result && errors.length === 0) return result.value;
  const [first, ...others] = errors;
  if (first instanceof Error && others.length > 0) Object.assign(first, { suppressed: others });
  throw first;
}
