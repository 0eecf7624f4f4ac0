// A search along one setting after another, in factors of two, while that helps: how scorers get their settings on
// validation.

/** One change of a setting; a step that changes nothing is not tried. */
export type Step = (value: number) => number;

/** Below this weight a block is tried at 0, and no further down. */
const LEAST_WEIGHT = 0.25;

const halve: Step = (value) => value / 2;
const double: Step = (value) => (value === 0 ? LEAST_WEIGHT : value * 2);
const lower: Step = (value) => (value <= LEAST_WEIGHT ? 0 : value / 2);

export const LAMBDA_STEPS: readonly Step[] = [double, halve];
export const WEIGHT_STEPS: readonly Step[] = [double, lower];

/**
 * Climbs from `start`, the last setting first, until no step helps or `attempt` has no trial left. Deterministic.
 * @param steps of each setting; none: it stays
 * @param attempt measures settings; `undefined` where no trial is left
 */
export async function climb(
  start: readonly number[],
  steps: readonly (readonly Step[])[],
  attempt: (at: readonly number[]) => Promise<{ readonly selection: number } | undefined>,
): Promise<void> {
  let at = [...start];
  let best = await attempt(at);
  const axes = steps.map((_, axis) => axis).reverse();
  for (let improved = true; improved && best; ) {
    improved = false;
    for (const axis of axes) {
      for (const step of steps[axis]!) {
        let moved = false;
        for (;;) {
          const value = step(at[axis]!);
          const next = at.with(axis, value);
          const trial = value === at[axis] ? undefined : await attempt(next);
          if (!trial || trial.selection <= best.selection) break;
          best = trial;
          at = next;
          moved = true;
        }
        if (!moved) continue;
        improved = true;
        break;
      }
    }
  }
}
