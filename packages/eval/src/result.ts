// The result of an evaluation as plain data, and its JSON and text forms.
import { EvaluationError } from "./error.js";
import type { Interval } from "./statistics/bootstrap.js";

/** What an evaluation found. */
export interface EvaluationResult {
  /** Users evaluated: those with at least one held-out item. Every mean is over them. */
  readonly users: number;
  /** Users that had no held-out item and were left out of everything. */
  readonly usersWithoutHeldOut: number;
  /** One number per metric asked for, by its name. */
  readonly metrics: Readonly<Record<string, number>>;
  /**
   * The values behind the means, for intervals and tests. Coverage and Gini have none: they describe all lists
   * together.
   */
  readonly perUser: {
    /** [users] ids, in the order they were added. */
    readonly users: Float64Array;
    /** [users] values per metric name. */
    readonly values: Readonly<Record<string, Float64Array>>;
  };
}

/** The JSON form of an {@link EvaluationResult}. */
export interface EvaluationJson {
  readonly users: number;
  readonly usersWithoutHeldOut: number;
  readonly metrics: Record<string, number>;
  /** [low, high] of the confidence interval, where intervals were given. */
  readonly intervals?: Record<string, [low: number, high: number]>;
  readonly perUser?: { readonly users: number[]; readonly values: Record<string, number[]> };
}

/** What goes into the JSON form beside the metrics. */
export interface JsonOptions {
  readonly intervals?: Readonly<Record<string, Interval>>;
  /** Also write the per-user values, so that {@link fromJson} gives back the whole result. */
  readonly perUser?: boolean;
}

/** The JSON form: `{"users": n, "usersWithoutHeldOut": m, "metrics": {"recall@20": …}}` and what `options` ask for. */
export function toJson(result: EvaluationResult, { intervals, perUser = false }: JsonOptions = {}): EvaluationJson {
  const { users, usersWithoutHeldOut, metrics } = result;
  return {
    users,
    usersWithoutHeldOut,
    metrics: { ...metrics },
    ...(intervals && {
      intervals: Object.fromEntries(
        Object.entries(intervals).map(([name, { low, high }]): [string, [number, number]] => [name, [low, high]]),
      ),
    }),
    ...(perUser && {
      perUser: {
        users: Array.from(result.perUser.users),
        values: Object.fromEntries(Object.entries(result.perUser.values).map(([name, v]) => [name, Array.from(v)])),
      },
    }),
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && Number(value) >= 0;

/**
 * The result that {@link toJson} wrote with `perUser: true`, number for number.
 *
 * @throws {EvaluationError} for anything else.
 */
export function fromJson(json: unknown): EvaluationResult {
  if (!isRecord(json) || !isCount(json.users) || !isCount(json.usersWithoutHeldOut) || !isRecord(json.metrics)) {
    throw new EvaluationError(
      "evaluation JSON: expected an object with counts `users` and `usersWithoutHeldOut` and an object `metrics`; " +
        "write it with toJson.",
    );
  }
  const { users, perUser } = json;
  if (!isRecord(perUser) || !isRecord(perUser.values)) {
    throw new EvaluationError(
      "evaluation JSON: found no `perUser` values; write it with toJson(result, { perUser: true }).",
    );
  }
  const numbers = (value: unknown, name: string): Float64Array => {
    if (!Array.isArray(value) || value.length !== users || !value.every((v) => Number.isFinite(v))) {
      throw new EvaluationError(`evaluation JSON, ${name}: expected ${users} finite numbers (one per user).`);
    }
    return Float64Array.from(value);
  };
  const metrics: Record<string, number> = {};
  for (const [name, value] of Object.entries(json.metrics)) {
    if (typeof value !== "number") {
      throw new EvaluationError(`evaluation JSON, metrics.${name}: found ${JSON.stringify(value)}, expected a number.`);
    }
    metrics[name] = value;
  }
  const values: Record<string, Float64Array> = {};
  for (const [name, value] of Object.entries(perUser.values)) values[name] = numbers(value, `perUser.values.${name}`);
  return {
    users,
    usersWithoutHeldOut: json.usersWithoutHeldOut,
    metrics,
    perUser: { users: numbers(perUser.users, "perUser.users"), values },
  };
}

/** A plain text table, one metric a line, with intervals where they are given; `digits` after the decimal point. */
export function formatResult(
  result: EvaluationResult,
  { intervals = {}, digits = 4 }: { intervals?: Readonly<Record<string, Interval>>; digits?: number } = {},
): string {
  const names = Object.keys(result.metrics);
  const width = Math.max(...names.map((name) => name.length));
  const lines = names.map((name) => {
    const interval = intervals[name];
    const range = interval ? `  [${interval.low.toFixed(digits)}, ${interval.high.toFixed(digits)}]` : "";
    return `${name.padEnd(width)}  ${result.metrics[name]!.toFixed(digits)}${range}`;
  });
  const left = result.usersWithoutHeldOut;
  return [`users: ${result.users}${left > 0 ? ` (${left} without held-out items left out)` : ""}`, ...lines].join("\n");
}
