// Learning curves from steps: means over epochs or stretches of updates, few enough to draw.
import { type StageHistory, type Step, stepsByTask } from "./run-history.js";

/** The losses of one task. */
export interface LossCurve {
  readonly stage: string;
  readonly task: string;
  /** Whether a point is the mean of whole epochs. */
  readonly perEpoch: boolean;
  readonly points: readonly LossPoint[];
}

export interface LossPoint {
  /** The last update of the stretch. */
  readonly update: number;
  /** Means over the stretch's steps. */
  readonly languageModel: number;
  readonly mutual: number;
}

/**
 * Curves by task, in the order in which the tasks began, at most `limit` points each. A point is the mean of one
 * epoch, or of equally many epochs; of a task with one epoch alone, of about equally many steps.
 */
export function lossCurves({ stage, steps }: StageHistory, limit = 60): LossCurve[] {
  return [...stepsByTask(steps)].map(([task, all]) => {
    const epochs = epochsOf(all);
    const perEpoch = epochs.length > 1;
    return {
      stage,
      task,
      perEpoch,
      points: perEpoch
        ? stretches(epochs, limit)
        : stretches(
            all.map((s) => [s]),
            limit,
          ),
    };
  });
}

/** @param parts epochs, or single steps */
function stretches(parts: readonly (readonly Step[])[], limit: number): LossPoint[] {
  const count = Math.min(limit, parts.length);
  return Array.from({ length: count }, (_, i) => {
    const [from, to] = [Math.floor((i * parts.length) / count), Math.floor(((i + 1) * parts.length) / count)];
    const stretch = parts.slice(from, to).flat();
    const mean = (of: (step: Step) => number) => stretch.reduce((sum, step) => sum + of(step), 0) / stretch.length;
    return {
      update: stretch[stretch.length - 1]!.update,
      languageModel: mean((step) => step.languageModel),
      mutual: mean((step) => step.mutual),
    };
  });
}

/** The steps of each epoch, in their order. */
function epochsOf(steps: readonly Step[]): Step[][] {
  const epochs = new Map<number, Step[]>();
  for (const step of steps) {
    const found = epochs.get(step.round);
    if (found) found.push(step);
    else epochs.set(step.round, [step]);
  }
  return [...epochs.values()];
}
