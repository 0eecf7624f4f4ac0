// The weights of a blend by validation: coordinate ascent in ever smaller factors, from the best single members.
// Shapes: M members.
import { turn } from "../baselines/turn.js";
import { EvaluationError } from "../error.js";
import { type BlendMetrics, type BlendTrials, selectionOf } from "./blend-trials.js";

export interface LearnWeightsOptions {
  /** A member has to add so much to recall@20 + recall@40 + ndcg@100, else it is dropped; default 0.0005. */
  readonly minimumGain?: number;
  readonly signal?: AbortSignal;
  /** After each weighting that was tried, with the best so far. */
  readonly onTrial?: (trials: number, best: number) => void;
}

/** What one member does in the blend. */
export interface LearnedMember {
  /** At least 0; those of all members sum to 1. 0: dropped, since it does not help. */
  readonly weight: number;
  /** The metrics of this member alone. */
  readonly alone: BlendMetrics;
  /**
   * By how much recall@20 + recall@40 + ndcg@100 falls when it is left out and the other weights stay. 0 for a dropped
   * member.
   */
  readonly contribution: number;
}

export interface LearnedWeights {
  /** [M] */
  readonly members: readonly LearnedMember[];
  /** Of the blend. */
  readonly metrics: BlendMetrics;
  /** How many weightings were tried. */
  readonly trials: number;
}

const FACTORS = [2, Math.SQRT2, 2 ** 0.25];
/** What a member that has no weight is tried with, as shares of the others' sum. */
const ENTRIES = [0.25, 0.5, 1];
/** Single members that a search starts from. */
const STARTS = 2;

/**
 * Learns weights ≥ 0 that make recall@20 + recall@40 + ndcg@100 of the blend as large as a search finds: from each of
 * the two best single members, one weight after another is multiplied, divided, set to 0 or raised from 0, as long as
 * that helps. Then members that add less than `minimumGain` are dropped, the least useful first, each time followed by
 * another search. Deterministic.
 * @throws {EvaluationError} where there is no member, or no user with held-out items; the signal's reason when aborted
 */
export async function learnWeights(
  trials: BlendTrials,
  { minimumGain = 5e-4, signal, onTrial }: LearnWeightsOptions = {},
): Promise<LearnedWeights> {
  const M = trials.members;
  if (M < 1) throw new EvaluationError("blend: found no members, expected at least one.");
  const known = new Map<string, number>();
  let highest = 0;

  const attempt = async (weights: readonly number[]): Promise<number> => {
    const unit = normalised(weights);
    const key = unit.map((weight) => weight.toPrecision(9)).join();
    const found = known.get(key);
    if (found !== undefined) return found;
    signal?.throwIfAborted();
    await turn();
    const selection = selectionOf(trials.evaluate(unit));
    known.set(key, selection);
    highest = Math.max(highest, selection);
    onTrial?.(known.size, highest);
    return selection;
  };

  /** Coordinate ascent over the members that may have a weight. */
  const ascend = async (start: readonly number[], members: readonly number[]): Promise<Point> => {
    let best: Point = { weights: start, selection: await attempt(start) };
    const improve = async (weights: readonly number[]): Promise<boolean> => {
      const selection = weights.some((weight) => weight > 0) ? await attempt(weights) : 0;
      if (selection <= best.selection) return false;
      best = { weights, selection };
      return true;
    };
    for (const factor of FACTORS) {
      for (let improved = true; improved; ) {
        improved = false;
        for (const m of members) {
          const { weights } = best;
          if (weights[m] === 0) {
            const others = weights.reduce((sum, weight) => sum + weight, 0);
            for (const share of ENTRIES) if (await improve(weights.with(m, others * share))) improved = true;
            continue;
          }
          if (await improve(weights.with(m, 0))) {
            improved = true;
            continue;
          }
          for (const step of [factor, 1 / factor]) {
            let moved = false;
            while (await improve(best.weights.with(m, best.weights[m]! * step))) moved = true;
            improved ||= moved;
            if (moved) break;
          }
        }
      }
    }
    return best;
  };

  let members = Array.from({ length: M }, (_, m) => m);
  const singles = members.map((m) => members.map((other) => (other === m ? 1 : 0)));
  const alone = singles.map((weights) => trials.evaluate(weights));
  const ranked = members.toSorted((a, b) => selectionOf(alone[b]!) - selectionOf(alone[a]!) || a - b);
  let best: Point | undefined;
  for (const m of ranked.slice(0, STARTS)) {
    const found = await ascend(singles[m]!, members);
    if (!best || found.selection > best.selection) best = found;
  }
  for (;;) {
    const used = members.filter((m) => best!.weights[m]! > 0);
    const gains = await contributions(best!, used, attempt);
    const least = used.reduce((a, b) => (gains[b]! < gains[a]! ? b : a));
    if (used.length > 1 && gains[least]! < minimumGain) {
      members = used.filter((m) => m !== least);
      best = await ascend(best!.weights.with(least, 0), members);
      continue;
    }
    const weights = normalised(best!.weights);
    return {
      members: weights.map((weight, m) => ({ weight, alone: alone[m]!, contribution: gains[m] ?? 0 })),
      metrics: trials.evaluate(weights),
      trials: known.size,
    };
  }
}

interface Point {
  readonly weights: readonly number[];
  readonly selection: number;
}

/** By member: the best selection less the one without the member. The only member contributes everything. */
async function contributions(
  { weights, selection }: Point,
  used: readonly number[],
  attempt: (weights: readonly number[]) => Promise<number>,
): Promise<Record<number, number>> {
  const gains: Record<number, number> = {};
  for (const m of used) gains[m] = used.length === 1 ? selection : selection - (await attempt(weights.with(m, 0)));
  return gains;
}

function normalised(weights: readonly number[]): number[] {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}
