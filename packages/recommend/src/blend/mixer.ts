// A blend at work: the scores of its members, each standardised for each user, added with their weights.
import { type HistoryScorer, type ItemLists, itemLists, mixScores, standardise } from "@cllm4rec/eval";

// Shape legend: B requests, J items.

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
    sources: ReadonlyMap<number, MemberSource>,
  ) {
    this.#sources = members.flatMap(({ weight }, m) => {
      const source = sources.get(m);
      return source && weight > 0 ? [{ source, weight }] : [];
    });
  }

  /** The blend's scores, [B, J]. `own`: computes the model's own scores, called only where they count. */
  async scores(
    requests: readonly MixedRequest[],
    own: () => Promise<Float32Array>,
    signal?: AbortSignal,
  ): Promise<Float32Array> {
    const histories = itemLists(requests.map(({ history }) => Array.from(history)));
    const scores: Float32Array[] = [];
    for (const { source } of this.#sources) {
      scores.push(standardise(await scoresOf(source, { requests, histories, own, signal }), this.items));
    }
    return mixScores(
      scores,
      this.#sources.map(({ weight }) => weight),
    );
  }
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
