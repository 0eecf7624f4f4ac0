// What a search tries: settings drawn from a space by a seed. The same list on every machine, and a longer list begins
// with the shorter one.
import type { Json, JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import { fillUniform } from "../random/uniform.js";

/** What one setting may be: one of a list, or a number between two, both included. */
export type Dimension =
  | { readonly values: readonly Json[] }
  | {
      readonly low: number;
      readonly high: number;
      /** How numbers are spread; `log` for what acts by its order of magnitude. `linear` where absent. */
      readonly scale?: "linear" | "log" | undefined;
      readonly integer?: boolean | undefined;
    };

/** Settings by name, and what each may be. */
export type SearchSpace = Readonly<Record<string, Dimension>>;

/** Settings to try, by name. Number 0 has none: it is what the search starts from. */
export interface Candidate {
  readonly number: number;
  readonly settings: JsonRecord;
}

/** Tells the draws of a search from those of the training that it runs; the seed may be the same. */
const STREAM = 7001;
/** Draws in a row that bring nothing new, after which a space counts as exhausted. */
const MAX_REPEATED = 100;

/**
 * Draws candidates independently and uniformly (random search, Bergstra and Bengio 2012), each combination once.
 * The first one changes nothing, so that no search ends with settings that validate worse than those it starts from.
 * @param options.count how many; fewer where the space has no more
 * @throws TrainingError naming a setting whose range cannot be drawn from
 */
export function sampleCandidates(
  space: SearchSpace,
  { seed, count }: { readonly seed: number; readonly count: number },
): Candidate[] {
  const dimensions = Object.entries(space);
  for (const [name, dimension] of dimensions) checkDimension(name, dimension);
  const draws = new Float32Array(dimensions.length);
  const seen = new Set(["{}"]);
  const candidates: Candidate[] = [{ number: 0, settings: {} }];
  let repeated = 0;
  for (let draw = 0; candidates.length < count && repeated < MAX_REPEATED; draw++) {
    fillUniform(draws, seed, STREAM, draw);
    const settings = Object.fromEntries(dimensions.map(([name, dimension], d) => [name, pick(dimension, draws[d]!)]));
    const key = JSON.stringify(settings);
    if (seen.has(key)) {
      repeated++;
      continue;
    }
    repeated = 0;
    seen.add(key);
    candidates.push({ number: candidates.length, settings });
  }
  return candidates.slice(0, count);
}

function checkDimension(name: string, dimension: Dimension): void {
  if ("values" in dimension) {
    if (dimension.values.length === 0) throw new TrainingError(`${name}: found no values, expected at least one`);
    return;
  }
  const { low, high, scale, integer } = dimension;
  const range = `[${low}, ${high}]`;
  if (!Number.isFinite(low) || !Number.isFinite(high) || low > high) {
    throw new TrainingError(`${name}: found the range ${range}, expected two numbers, the lower one first`);
  }
  if (scale === "log" && low <= 0) {
    throw new TrainingError(`${name}: found the range ${range}, expected numbers above 0 for the scale "log"`);
  }
  if (integer && !(Number.isInteger(low) && Number.isInteger(high))) {
    throw new TrainingError(`${name}: found the range ${range}, expected integers`);
  }
}

/** @param draw in [0, 1) */
function pick(dimension: Dimension, draw: number): Json {
  if ("values" in dimension) return dimension.values[Math.floor(draw * dimension.values.length)]!;
  const { low, high, scale = "linear", integer } = dimension;
  if (integer && scale === "linear") return low + Math.floor(draw * (high - low + 1));
  const value = scale === "log" ? Math.exp(Math.log(low) + draw * Math.log(high / low)) : low + draw * (high - low);
  // Three digits say enough, and hide the last bits, in which Math.exp differs between machines.
  const rounded = integer ? Math.round(value) : Number(value.toPrecision(3));
  return Math.min(high, Math.max(low, rounded));
}
