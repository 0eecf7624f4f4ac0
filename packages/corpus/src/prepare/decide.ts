// What becomes of each record: duplicates, the rating threshold, the k-core and the split, in this order.
import { cllm4recSplit, firstAppearance } from "./cllm4rec-split.js";
import { kCore } from "./core.js";
import { deduplicate } from "./deduplicate.js";
import type { Pairs } from "./pairs.js";
import { renumber } from "./renumber.js";
import { type SplitOptions, splitPairs } from "./split.js";

/** Values of the rating column after binarisation. */
export const RATED = { below: 0, above: 1, unknown: 2 } as const;

export interface Decision {
  /** [n] the part of each record: values of `PART`, 0 for those that are dropped. */
  readonly part: Uint8Array;
  /** New index → former index of the users and items that remain. */
  readonly formerUser: Int32Array;
  readonly formerItem: Int32Array;
  readonly duplicates: number;
  readonly belowRating: number;
  readonly withoutRating: number;
  readonly outsideCore: number;
  readonly kept: number;
}

/**
 * Decides on every record. Takes the columns over: `pairs.user` and `pairs.item` hold the new indices afterwards, `alive` what is kept.
 * @param rated [n] values of {@link RATED}, or undefined for no threshold.
 * @param alive [n] 1 for the well-formed records.
 */
export function decide(
  pairs: Pairs,
  rated: Uint8Array | undefined,
  alive: Uint8Array,
  core: number,
  split: SplitOptions,
): Decision {
  const duplicates = deduplicate(pairs, alive);
  let belowRating = 0;
  let withoutRating = 0;
  if (rated) {
    for (let p = 0; p < alive.length; p++) {
      if (alive[p] === 0 || rated[p] === RATED.above) continue;
      alive[p] = 0;
      if (rated[p] === RATED.below) belowRating++;
      else withoutRating++;
    }
  }
  const order = split.method === "cllm4rec" ? firstAppearance(pairs, alive) : undefined;
  const outsideCore = kCore(pairs, alive, core);
  const { part, formerUser, formerItem } = order
    ? cllm4recSplit(pairs, alive, order, split.seed)
    : renumberAndSplit(pairs, alive, split);
  let kept = 0;
  for (let p = 0; p < alive.length; p++) kept += alive[p]!;
  return { part, formerUser, formerItem, duplicates, belowRating, withoutRating, outsideCore, kept };
}

/** Indices in the order of the former ones, whatever the split. */
function renumberAndSplit(pairs: Pairs, alive: Uint8Array, split: SplitOptions) {
  const formerUser = renumber(pairs.user, pairs.users, alive);
  const formerItem = renumber(pairs.item, pairs.items, alive);
  const part = splitPairs({ ...pairs, users: formerUser.length, items: formerItem.length }, alive, split);
  return { part, formerUser, formerItem };
}
