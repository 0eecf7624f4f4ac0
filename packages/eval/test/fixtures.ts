// The committed golden values, typed.
import fs from "node:fs";

function load<T>(name: string): T {
  return JSON.parse(fs.readFileSync(new URL(`fixtures/${name}`, import.meta.url), "utf8"));
}

interface CsrJson {
  indptr: number[];
  indices: number[];
}

/** Goldens of the ranking metrics; `perUser` and `overall` are keyed by `oracle:metric@K`. */
export const ranking = load<{
  items: number;
  scores: number[];
  masked: CsrJson;
  heldOut: CsrJson;
  rankings: CsrJson;
  evaluated: number[];
  training: { itemCounts: number[]; users: number };
  perUser: Record<string, number[]>;
  overall: Record<string, number>;
}>("ranking.json");

/** Goldens of the paired tests and of the tail probabilities ([degrees, t, p] and [z, p]). */
export const statistics = load<{
  paired: {
    name: string;
    a: number[];
    b: number[];
    t: { statistic: number; df: number; p: number };
    wilcoxon: { statistic: number; pairs: number; normalP: number; exactP?: number; scipyExactP?: number };
  }[];
  student: [number, number, number][];
  normal: [number, number][];
}>("statistics.json");

/** Goldens of the bootstrap from a twin in another language. */
export const bootstrap = load<{
  values: number[];
  seeds: { seed: number; resamples: number; confidence: number; low: number; high: number }[];
  scipy: [number, number];
  xoshiro1234: number[];
}>("bootstrap.json");

/** Scores of baselines for the users of a small training matrix. */
export const baselines = load<{
  items: number;
  training: number[][];
  knn: { neighbours: number | null; shrinkage: number; scores: number[][] }[];
  ease: { lambda: number; scores: number[][] }[];
  /** Two blocks of side information, [items, features] each. */
  features: number[][][];
  easeWithText: { lambda: number; dropout: number; weights: number[]; scores: number[][] }[];
}>("baselines.json");
