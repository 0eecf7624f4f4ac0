// Many weightings of the same scores, evaluated quickly: of each user the candidates alone are kept, the items that
// could be in a list.
// Shapes: B users of a batch, J items, M members, C candidates of a user, H held-out items of a user.
import { EvaluationError } from "../error.js";
import { type ItemLists, rowCount } from "../item-lists.js";
import { accuracy } from "../metrics/accuracy.js";
import { type MetricName, PAPER_METRICS, parseMetrics } from "../metrics/names.js";
import { topK } from "../ranking/top-k.js";

export interface BlendTrialsOptions {
  /** J */
  readonly items: number;
  /** M */
  readonly members: number;
  /**
   * A user's candidates are the held-out items and the best so many of each member; default 400. Where that is at least
   * half of the items, all are. An item that no member ranks so high is taken to be in no list of the blend.
   */
  readonly candidates?: number;
}

/** A batch of users; every list has one row per user. */
export interface BlendBatch {
  /** [M] of [B, J]: each member's scores, standardised. */
  readonly scores: readonly Float32Array[];
  /** Items that are to be found. Users without any do not count. */
  readonly heldOut: ItemLists;
  /** Items that are not ranked: the history. */
  readonly masked: ItemLists;
}

interface UserCandidates {
  /** [M, C], candidates in ascending order of items. */
  readonly scores: Float32Array;
  /** [H] where the held-out items are among the candidates. */
  readonly heldOut: Int32Array;
}

/** recall@20, recall@40 and ndcg@100 by name. */
export type BlendMetrics = Readonly<Record<string, number>>;

const SPECS = parseMetrics(PAPER_METRICS);

/** The paper's criterion: recall@20 + recall@40 + ndcg@100. */
export function selectionOf(metrics: BlendMetrics): number {
  return PAPER_METRICS.reduce((sum, name) => sum + metrics[name]!, 0);
}

/** Standardised scores of validation users, by which weights are compared. */
export class BlendTrials {
  readonly #items: number;
  readonly #members: number;
  readonly #candidates: number;
  readonly #users: UserCandidates[] = [];

  constructor({ items, members, candidates = 400 }: BlendTrialsOptions) {
    this.#items = items;
    this.#members = members;
    this.#candidates = 2 * candidates >= items ? items : candidates;
  }

  /** M */
  get members(): number {
    return this.#members;
  }

  /** Users that count. */
  get users(): number {
    return this.#users.length;
  }

  /** @throws {EvaluationError} for scores that do not fit */
  add({ scores, heldOut, masked }: BlendBatch): void {
    const [J, M] = [this.#items, this.#members];
    const rows = rowCount(heldOut);
    if (scores.length !== M || scores.some(({ length }) => length !== rows * J)) {
      throw new EvaluationError(
        `blend: found scores of lengths ${scores.map(({ length }) => length).join(", ")}, ` +
          `expected ${M} of ${rows * J} (users × items).`,
      );
    }
    const everything = this.#candidates === J;
    const lists = everything ? [] : scores.map((one) => topK(one, { items: J, k: this.#candidates, masked }));
    const wanted = new Uint8Array(J);
    for (let b = 0; b < rows; b++) {
      const found = heldOut.indices.subarray(heldOut.indptr[b]!, heldOut.indptr[b + 1]!);
      if (found.length === 0) continue;
      wanted.fill(everything ? 1 : 0);
      for (const { items, lengths } of lists) {
        const from = b * this.#candidates;
        for (let at = from; at < from + lengths[b]!; at++) wanted[items[at]!] = 1;
      }
      for (let p = masked.indptr[b]!; p < masked.indptr[b + 1]!; p++) wanted[masked.indices[p]!] = 0;
      for (const item of found) wanted[item] = 1;
      const candidates: number[] = [];
      for (let j = 0; j < J; j++) if (wanted[j] === 1) candidates.push(j);
      const kept = new Float32Array(M * candidates.length);
      for (let m = 0, at = 0; m < M; m++) for (const j of candidates) kept[at++] = scores[m]![b * J + j]!;
      const places = new Map(candidates.map((item, place) => [item, place]));
      this.#users.push({ scores: kept, heldOut: Int32Array.from(found, (item) => places.get(item)!) });
    }
  }

  /**
   * The metrics of the blend with these weights [M].
   * @throws {EvaluationError} where no user has held-out items
   */
  evaluate(weights: readonly number[]): BlendMetrics {
    if (this.#users.length === 0)
      throw new EvaluationError("blend: found no user with held-out items, expected some; check the split.");
    const sums = SPECS.map(() => 0);
    let mixed = new Float32Array(0);
    for (const { scores, heldOut } of this.#users) {
      const C = scores.length / this.#members;
      if (mixed.length < C) mixed = new Float32Array(2 * C);
      for (let c = 0; c < C; c++) {
        let sum = 0;
        for (let m = 0, at = c; m < weights.length; m++, at += C) sum += weights[m]! * scores[at]!;
        mixed[c] = sum; // single precision, as mixScores: the same ties
      }
      const ranks = Array.from(heldOut, (place) => rankOf(mixed, C, place)).sort((a, b) => a - b);
      for (const [s, { kind, cutoff }] of SPECS.entries())
        sums[s]! += accuracy(kind as "recall" | "ndcg", cutoff, ranks, ranks.length, ranks.length);
    }
    return Object.fromEntries(SPECS.map(({ name }, s) => [name satisfies MetricName, sums[s]! / this.#users.length]));
  }
}

/** 1-based; of equal scores the lower item is first, as in every ranking here. */
function rankOf(scores: Float32Array, count: number, place: number): number {
  const own = scores[place]!;
  let rank = 1;
  for (let c = 0; c < count; c++) if (scores[c]! > own || (scores[c] === own && c < place)) rank++;
  return rank;
}
