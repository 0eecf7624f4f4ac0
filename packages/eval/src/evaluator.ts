// The accumulator: takes score blocks or ranked lists batch by batch and keeps only per-user values and per-item
// counts.
// Shapes: B rows (users) of a batch, J items, K cut-off, V metrics with a value per user.
import { EvaluationError } from "./error.js";
import { checkItemLists, type ItemLists, rowCount } from "./item-lists.js";
import { type AccuracyKind, accuracy } from "./metrics/accuracy.js";
import { coverage, gini, selfInformation, type TrainingPopularity } from "./metrics/beyond-accuracy.js";
import { type MetricName, type MetricSpec, PAPER_METRICS, parseMetrics } from "./metrics/names.js";
import { heldOutRanks } from "./ranking/held-out-ranks.js";
import { HELD_OUT, LISTED, MASKED, mark, OUTSIDE, UNRANKED, unmark } from "./ranking/row-marks.js";
import { maskSets, RowSelector, scoreRows } from "./ranking/top-k.js";
import type { EvaluationResult } from "./result.js";

/** A metric that has a value per user. */
type PerUserSpec = MetricSpec & { readonly kind: AccuracyKind | "novelty" };
const isPerUser = (spec: MetricSpec): spec is PerUserSpec => spec.kind !== "coverage" && spec.kind !== "gini";

/** What a {@link RankingEvaluator} is asked to compute. */
export interface RankingEvaluatorOptions {
  /** J: item ids are 0 … J − 1, and score rows have J columns. */
  readonly items: number;
  /** Default: {@link PAPER_METRICS}. */
  readonly metrics?: readonly MetricName[];
  /**
   * The only items that are ranked, no item twice: others are as if they did not exist, and may not be held out.
   * `coverage` and `gini` are over them. Default: all J items.
   */
  readonly candidates?: ArrayLike<number>;
  /** The training popularity, needed by `novelty@K` alone. */
  readonly training?: TrainingPopularity;
}

/** What both kinds of batches share; every list has one row per user of the batch. */
export interface EvaluationBatch {
  /** The items to be found. A user with none is left out and counted. */
  readonly heldOut: ItemLists;
  /** Items that may not be recommended (training items, and validation items if the protocol says so). */
  readonly masked?: ItemLists | readonly ItemLists[];
  /** [B] the users' ids, integers, kept beside their values; default: the running row number over all batches. */
  readonly users?: ArrayLike<number>;
}

/** A block of rows of a score matrix. */
export interface ScoreBatch extends EvaluationBatch {
  /** [B, J] row-major. Higher is better; ties go to the lower item index. Scores of masked items are ignored. */
  readonly scores: Float32Array;
}

/** Ready-made ranked lists. */
export interface RankingBatch extends EvaluationBatch {
  /** Recommended items, best first. An item that is not in the list counts as not found. */
  readonly rankings: ItemLists;
}

/**
 * Evaluates full rankings batch by batch. Memory is bounded by users × metrics + J × cut-offs; the batches are never
 * kept, and how the users are cut into batches changes no bit of the result.
 *
 * After a batch was refused with an error, part of it may have been counted, so the evaluator refuses everything else.
 */
export class RankingEvaluator {
  readonly #items: number;
  readonly #specs: readonly MetricSpec[];
  /** Metrics with a value per user (V), in the order asked for. */
  readonly #perUser: readonly PerUserSpec[];
  readonly #information: Float64Array | undefined;
  /** How many lists hold each item in their first K places, per K of coverage and Gini. */
  readonly #counts = new Map<number, Uint32Array>();
  readonly #needsWholeRanking: boolean;
  readonly #needsList: boolean;
  readonly #selector: RowSelector;
  readonly #marks: Uint8Array;
  readonly #ranks: Int32Array;
  /** [users, V] row-major, grown by doubling. */
  #values: Float64Array;
  #users = new Float64Array(64);
  #evaluated = 0;
  #withoutHeldOut = 0;
  #failed = false;

  /**
   * @throws {EvaluationError} for a bad item count, candidates that are no items, an unknown metric, or novelty without
   *   training popularity.
   */
  constructor({ items, metrics = PAPER_METRICS, candidates, training }: RankingEvaluatorOptions) {
    if (!Number.isInteger(items) || items < 1) {
      throw new EvaluationError(`items: found ${items}, expected an integer of at least 1 (the number of items).`);
    }
    this.#items = items;
    this.#specs = parseMetrics(metrics);
    this.#perUser = this.#specs.filter(isPerUser);
    for (const { kind, cutoff } of this.#specs) {
      if (kind === "coverage" || kind === "gini") this.#counts.set(cutoff, new Uint32Array(items));
    }
    const novelty = this.#specs.find(({ kind }) => kind === "novelty");
    if (novelty && !training) {
      throw new EvaluationError(
        `metrics: found ${novelty.name} without \`training\`, expected the training popularity.`,
      );
    }
    this.#information = training && selfInformation(training, items);
    this.#needsWholeRanking = this.#specs.some(({ cutoff }) => cutoff === Number.POSITIVE_INFINITY);
    this.#needsList = !this.#needsWholeRanking || novelty !== undefined || this.#counts.size > 0;
    const cutoffs = this.#specs.map(({ cutoff }) => cutoff).filter(Number.isFinite);
    this.#selector = new RowSelector(items, Math.max(1, ...cutoffs));
    this.#marks = new Uint8Array(items);
    if (candidates) markOutside(this.#marks, candidates);
    this.#ranks = new Int32Array(items);
    this.#values = new Float64Array(64 * this.#perUser.length);
  }

  /**
   * Adds a block of users by their scores over all items. @throws {EvaluationError} for input that does not fit, and
   * for scores that are not finite.
   */
  addScores(batch: ScoreBatch): void {
    this.#add(scoreRows(batch.scores, this.#items), batch, (b, user, heldOut) => {
      const base = b * this.#items;
      const list = this.#selector.items;
      const length = this.#needsList ? this.#selector.select(batch.scores, base, this.#marks, user) : 0;
      const found = this.#needsWholeRanking
        ? heldOutRanks(batch.scores, base, this.#items, this.#marks, user, this.#ranks)
        : this.#collectRanks(list, 0, length);
      this.#record(user, heldOut, found, list, 0, length);
    });
  }

  /**
   * Adds a block of users by ready-made ranked lists. @throws {EvaluationError} for input that does not fit: an item
   * twice in a list, or a masked one in it.
   */
  addRankings(batch: RankingBatch): void {
    const { rankings } = batch;
    const rows = rowCount(rankings);
    checkItemLists(rankings, "rankings", rows, this.#items);
    this.#add(rows, batch, (b, user, heldOut) => {
      const start = rankings.indptr[b]!;
      const length = rankings.indptr[b + 1]! - start;
      for (let p = start; p < start + length; p++) {
        const item = rankings.indices[p]!;
        const bits = this.#marks[item]!;
        if ((bits & (UNRANKED | LISTED)) !== 0) {
          const what =
            (bits & OUTSIDE) !== 0 ? "which is no candidate" : (bits & MASKED) !== 0 ? "which is masked" : "twice";
          throw new EvaluationError(
            `rankings, user ${user}: found item ${item} ${what}, expected each unmasked item at most once; filter ` +
              "the list first.",
          );
        }
        this.#marks[item] = bits | LISTED;
      }
      const found = this.#collectRanks(rankings.indices, start, length);
      this.#record(user, heldOut, found, rankings.indices, start, length);
      unmark(this.#marks, rankings, b);
    });
  }

  /**
   * The result over all users added so far; more may be added afterwards.
   *
   * @throws {EvaluationError} where no user had a held-out item, and where a user was added twice.
   */
  result(): EvaluationResult {
    this.#refuseAfterFailure();
    const users = this.#evaluated;
    if (users === 0) {
      throw new EvaluationError(
        `result: found no user with held-out items among ${this.#withoutHeldOut} added, expected at least one; ` +
          "check the split.",
      );
    }
    const ids = this.#users.slice(0, users);
    const seen = new Set<number>();
    for (const id of ids) {
      if (seen.has(id)) {
        throw new EvaluationError(`users: found user ${id} twice, expected each user once; add every batch once.`);
      }
      seen.add(id);
    }
    const width = this.#perUser.length;
    const values: Record<string, Float64Array> = {};
    this.#perUser.forEach(({ name }, v) => {
      values[name] = Float64Array.from({ length: users }, (_, u) => this.#values[u * width + v]!);
    });
    const metrics: Record<string, number> = {};
    for (const { name, kind, cutoff } of this.#specs) {
      const perUser = values[name];
      if (perUser) metrics[name] = perUser.reduce((sum, value) => sum + value, 0) / users;
      else {
        const counts = this.#counts.get(cutoff)!.filter((_, item) => (this.#marks[item]! & OUTSIDE) === 0);
        metrics[name] = (kind === "gini" ? gini : coverage)(counts);
      }
    }
    return { users, usersWithoutHeldOut: this.#withoutHeldOut, metrics, perUser: { users: ids, values } };
  }

  /**
   * Checks a batch, marks masked and held-out items row by row, and calls `evaluate` for the users that have held-out
   * items.
   */
  #add(rows: number, batch: EvaluationBatch, evaluate: (b: number, user: number, heldOut: number) => void): void {
    this.#refuseAfterFailure();
    const { heldOut, users } = batch;
    const masked = maskSets(batch.masked);
    checkItemLists(heldOut, "heldOut", rows, this.#items);
    for (const lists of masked) checkItemLists(lists, "masked", rows, this.#items);
    if (users && users.length !== rows) {
      throw new EvaluationError(`users: found ${users.length} ids, expected ${rows} (one per row of the batch).`);
    }
    this.#failed = true;
    const firstRow = this.#evaluated + this.#withoutHeldOut;
    for (let b = 0; b < rows; b++) {
      const count = heldOut.indptr[b + 1]! - heldOut.indptr[b]!;
      if (count === 0) {
        this.#withoutHeldOut++;
        continue;
      }
      const user = users ? users[b]! : firstRow + b;
      if (!Number.isSafeInteger(user)) {
        throw new EvaluationError(`users, row ${b}: found ${user}, expected an integer.`);
      }
      mark(this.#marks, HELD_OUT, heldOut, b, `heldOut, user ${user}`);
      for (const lists of masked) mark(this.#marks, MASKED, lists, b);
      for (let p = heldOut.indptr[b]!; p < heldOut.indptr[b + 1]!; p++) {
        const bits = this.#marks[heldOut.indices[p]!]!;
        if ((bits & UNRANKED) === 0) continue;
        if ((bits & OUTSIDE) !== 0) {
          throw new EvaluationError(
            `heldOut, user ${user}: found item ${heldOut.indices[p]}, which is no candidate and could never be ` +
              "found; leave it out of heldOut, or add it to candidates.",
          );
        }
        throw new EvaluationError(
          `heldOut, user ${user}: found item ${heldOut.indices[p]}, which is masked and could never be found; ` +
            "expected held-out and masked items to be disjoint, so check the split.",
        );
      }
      evaluate(b, user, count);
      unmark(this.#marks, heldOut, b);
      for (const lists of masked) unmark(this.#marks, lists, b);
    }
    this.#failed = false;
  }

  /** Writes the ranks of the held-out items in a list into #ranks; returns how many there are. */
  #collectRanks(list: Int32Array | Uint32Array, start: number, length: number): number {
    let found = 0;
    for (let i = 0; i < length; i++) {
      if ((this.#marks[list[start + i]!]! & HELD_OUT) !== 0) this.#ranks[found++] = i + 1;
    }
    return found;
  }

  /** Adds one user's values and counts. */
  #record(
    user: number,
    heldOut: number,
    found: number,
    list: Int32Array | Uint32Array,
    start: number,
    length: number,
  ): void {
    const width = this.#perUser.length;
    const row = this.#evaluated;
    if (row === this.#users.length) {
      this.#users = grown(this.#users);
      this.#values = grown(this.#values);
    }
    this.#users[row] = user;
    for (let v = 0; v < width; v++) {
      const { kind, cutoff } = this.#perUser[v]!;
      this.#values[row * width + v] =
        kind === "novelty"
          ? this.#novelty(user, list, start, Math.min(length, cutoff))
          : accuracy(kind, cutoff, this.#ranks, found, heldOut);
    }
    for (const [cutoff, counts] of this.#counts) {
      for (let i = 0, end = Math.min(length, cutoff); i < end; i++) counts[list[start + i]!]!++;
    }
    this.#evaluated++;
  }

  /** Mean self-information of the first `length` items of a list. */
  #novelty(user: number, list: Int32Array | Uint32Array, start: number, length: number): number {
    if (length === 0) {
      throw new EvaluationError(
        `rankings, user ${user}: found an empty list, expected at least one item: the novelty of nothing is ` +
          "undefined; leave the user or the metric out.",
      );
    }
    let sum = 0;
    for (let i = 0; i < length; i++) sum += this.#information![list[start + i]!]!;
    return sum / length;
  }

  #refuseAfterFailure(): void {
    if (this.#failed) {
      throw new EvaluationError(
        "evaluator: found a batch refused before, expected none; start again with a new evaluator.",
      );
    }
  }
}

/** Marks every item that is not among the candidates. */
function markOutside(marks: Uint8Array, candidates: ArrayLike<number>): void {
  if (candidates.length === 0) throw new EvaluationError("candidates: found none, expected at least one item.");
  marks.fill(OUTSIDE);
  for (let at = 0; at < candidates.length; at++) {
    const item = candidates[at]!;
    if (!Number.isInteger(item) || marks[item] !== OUTSIDE) {
      const what = marks[item] === 0 ? `item ${item} twice` : `item ${item}`;
      throw new EvaluationError(
        `candidates: found ${what}, expected integers from 0 to ${marks.length - 1}, each at most once.`,
      );
    }
    marks[item] = 0;
  }
}

function grown(array: Float64Array): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(2 * array.length);
  larger.set(array);
  return larger;
}
