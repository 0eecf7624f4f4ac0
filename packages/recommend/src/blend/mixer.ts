// A blend at work: the scores of its members, each standardised for each user, added with their weights.
import { type HistoryScorer, type ItemLists, itemLists, mixScores, standardise } from "@cllm4rec/eval";
import type { Neighbours } from "../added/text-embedder.js";

// Shape legend: B requests, J items of training, A items added by their text.

/** What a member does in a blend, as learned on validation. */
export interface BlendMember {
  readonly name: string;
  /** At least 0; all members' sum to 1. A member of weight 0 was tried and does not help. */
  readonly weight: number;
  /** recall@20, recall@40 and ndcg@100 of the member by itself, on the validation items. */
  readonly alone: Readonly<Record<string, number>>;
  /** By how much recall@20 + recall@40 + ndcg@100 on the validation items falls when the member is left out. */
  readonly contribution: number;
}

/** Whom the members score for. */
export interface MixedRequest {
  readonly user?: number;
  readonly history: ArrayLike<number>;
}

/** Where a member's scores come from: the model's own, another model's, or a scorer of histories. */
export type MemberSource =
  | { readonly kind: "own" }
  | {
      readonly kind: "model";
      scores(requests: readonly MixedRequest[], signal?: AbortSignal): Promise<Float32Array>;
    }
  | { readonly kind: "scorer"; readonly scorer: HistoryScorer };

/** The members of a blend with what computes them. Those of weight 0 are listed and not computed. */
export class Mixer {
  readonly #sources: readonly { readonly source: MemberSource; readonly weight: number }[];

  constructor(
    /** J */
    private readonly items: number,
    /** All that were tried, in the order in which they were given. */
    readonly members: readonly BlendMember[],
    /** By index of the member; only those with a weight need one. */
    private readonly sources: ReadonlyMap<number, MemberSource>,
    /** [A] whom the members that do not know an added item take for it. */
    private readonly added: readonly Neighbours[] = [],
    /** The same of some items of training: the scale of such scores. */
    private readonly reference: readonly Neighbours[] = [],
  ) {
    this.#sources = members.flatMap(({ weight }, m) => {
      const source = sources.get(m);
      return source && weight > 0 ? [{ source, weight }] : [];
    });
  }

  /**
   * The same blend over items that were added to the model's own tables. The other members score an added item by the
   * mean of its neighbours' scores, weighted as these are alike; in a history they take its nearest neighbour for it. A
   * mean of several scores is nearer to 0 than each of them, so that added items would never be among the best: the
   * means are brought to mean 0 and deviation 1 over `reference`, items of training that are scored in the same way.
   */
  withAdded(added: readonly Neighbours[], reference: readonly Neighbours[]): Mixer {
    return new Mixer(this.items, this.members, this.sources, added, reference);
  }

  /**
   * The blend's scores, [B, J + A]. Added items are brought to the scale of the J items of training, whose scores do
   * not change. `own`: computes the model's own scores, called only where they count.
   */
  async scores(
    requests: readonly MixedRequest[],
    own: () => Promise<Float32Array>,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const known = this.added.length === 0 ? requests : requests.map((request) => this.#withoutAdded(request));
    const histories = itemLists(known.map(({ history }) => Array.from(history)));
    const scores: Float32Array[] = [];
    for (const { source } of this.#sources) {
      const found = await scoresOf(source, { requests: known, histories, own, signal });
      if (source.kind === "own") scores.push(standardise(found, this.items + this.added.length, this.items));
      else scores.push(this.#extended(standardise(found, this.items)));
    }
    return mixScores(
      scores,
      this.#sources.map(({ weight }) => weight),
    );
  }

  #withoutAdded({ history, ...request }: MixedRequest): MixedRequest {
    const items = Array.from(history, (item) => (item < this.items ? item : this.added[item - this.items]!.items[0]!));
    return { ...request, history: [...new Set(items)] };
  }

  /** @param scores [B, J] @returns [B, J + A] */
  #extended(scores: Float32Array): Float32Array {
    const [J, A] = [this.items, this.added.length];
    if (A === 0) return scores;
    const rows = scores.length / J;
    const extended = new Float32Array(rows * (J + A));
    for (let b = 0; b < rows; b++) {
      const row = scores.subarray(b * J, (b + 1) * J);
      extended.set(row, b * (J + A));
      const { mean, deviation } = momentsOf(this.reference.map((one) => meanScore(one, row)));
      for (const [a, neighbours] of this.added.entries()) {
        const score = meanScore(neighbours, row) - mean;
        extended[b * (J + A) + J + a] = deviation > 1e-7 ? score / deviation : score;
      }
    }
    return extended;
  }
}

function meanScore({ items, weights }: Neighbours, scores: Float32Array): number {
  let sum = 0;
  for (let n = 0; n < items.length; n++) sum += weights[n]! * scores[items[n]!]!;
  return sum;
}

function momentsOf(values: readonly number[]): { readonly mean: number; readonly deviation: number } {
  const count = Math.max(1, values.length);
  const mean = values.reduce((sum, value) => sum + value, 0) / count;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: Math.sqrt(squares / count) };
}

/** A member's scores, [B, J]. */
export function scoresOf(
  source: MemberSource,
  {
    requests,
    histories,
    own,
    signal,
  }: {
    readonly requests: readonly MixedRequest[];
    readonly histories: ItemLists;
    readonly own: () => Promise<Float32Array>;
    readonly signal: AbortSignal | undefined;
  },
): Float32Array | Promise<Float32Array> {
  if (source.kind === "own") return own();
  return source.kind === "model" ? source.scores(requests, signal) : source.scorer.scores(histories);
}
