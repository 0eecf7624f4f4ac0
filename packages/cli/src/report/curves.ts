// Learning curves from steps: means over stretches of updates, few enough to draw.
import { type StageHistory, type Step, stepsByTask } from "./run-history.js";

/** The losses of one task. */
export interface LossCurve {
  readonly stage: string;
  readonly task: string;
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
 * Curves by task, in the order in which the tasks began; at most `limit` points each, every one the mean of about as
 * many steps.
 */
export function lossCurves({ stage, steps }: StageHistory, limit = 60): LossCurve[] {
  return [...stepsByTask(steps)].map(([task, all]) => ({ stage, task, points: stretches(all, limit) }));
}

function stretches(steps: readonly Step[], limit: number): LossPoint[] {
  const count = Math.min(limit, steps.length);
  return Array.from({ length: count }, (_, i) => {
    const stretch = steps.slice(Math.floor((i * steps.length) / count), Math.floor(((i + 1) * steps.length) / count));
    const mean = (of: (step: Step) => number) => stretch.reduce((sum, step) => sum + of(step), 0) / stretch.length;
    return {
      update: stretch[stretch.length - 1]!.update,
      languageModel: mean((step) => step.languageModel),
      mutual: mean((step) => step.mutual),
    };
  });
}
