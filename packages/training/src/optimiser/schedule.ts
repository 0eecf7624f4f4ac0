// Learning rates as pure functions of the number of the update, from 0.
import type { JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";

/** A learning rate in plain data, for config files, and for comparison before a run resumes. */
export interface LearningRate {
  /** The highest rate. */
  readonly peak: number;
  /** Updates of linear warm-up: update t has the rate peak·(t+1)/warmup until it reaches the peak. Default 0. */
  readonly warmup?: number | undefined;
  /**
   * What comes after: nothing (default), or a fall to `floor` at update `total` along a line or half a cosine
   * (Loshchilov and Hutter 2017).
   */
  readonly decay?:
    | { readonly shape: "linear" | "cosine"; readonly total: number; readonly floor?: number | undefined }
    | undefined;
}

/** The rate of update `step`, from 0. */
export type Schedule = (step: number) => number;

/**
 * The function that a {@link LearningRate} describes; a number is a constant rate.
 * @throws TrainingError for rates or lengths that make no sense, naming the field
 */
export function schedule(rate: number | LearningRate): Schedule {
  const { peak, warmup = 0, decay } = typeof rate === "number" ? { peak: rate } : rate;
  const check = (name: string, value: number, good: boolean, expected: string) => {
    if (!good) throw new TrainingError(`learning rate: found ${name} ${value}, expected ${expected}`);
  };
  check("peak", peak, peak > 0 && Number.isFinite(peak), "a finite number above 0");
  check("warmup", warmup, Number.isSafeInteger(warmup) && warmup >= 0, "an integer of at least 0");
  const { total = Number.POSITIVE_INFINITY, floor = 0, shape } = decay ?? {};
  if (decay) {
    check(
      "decay.total",
      total,
      Number.isSafeInteger(total) && total > warmup,
      `an integer above the warm-up's ${warmup}`,
    );
    check("decay.floor", floor, floor >= 0 && floor <= peak, `a number from 0 to the peak ${peak}`);
  }
  return (step) => {
    if (step < warmup) return (peak * (step + 1)) / warmup;
    if (!shape) return peak;
    const progress = Math.min(1, (step - warmup) / (total - warmup));
    const remaining = shape === "linear" ? 1 - progress : (1 + Math.cos(Math.PI * progress)) / 2;
    return floor + (peak - floor) * remaining;
  };
}

/** A learning rate as it is compared before a run resumes: all fields, in a fixed order. */
export function learningRateRecord(rate: number | LearningRate): JsonRecord {
  const { peak, warmup = 0, decay } = typeof rate === "number" ? { peak: rate } : rate;
  if (!decay) return { peak, warmup, decay: null };
  const { shape, total, floor } = decay;
  return { peak, warmup, decay: { shape, total, ...(floor !== undefined && { floor }) } };
}

/** A rate in any form as a function of the update. */
export function toSchedule(rate: number | LearningRate | Schedule): Schedule {
  return typeof rate === "function" ? rate : schedule(rate);
}
