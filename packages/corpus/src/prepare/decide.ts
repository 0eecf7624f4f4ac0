// What becomes of each record: duplicates, the rating threshold, the k-core and the split, in this order.
import { cllm4recSplit, firstAppearance } from "./cllm4rec-split.js";
import { kCore } from "./core.js";
import { deduplicate } from "./deduplicate.js";
import { type Pairs, sortByUser } from "./pairs.js";
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
 * Decides on every record. Takes the columns over: `pairs.user` and `pairs.item` hold the new indices afterwards, 0
 * where nothing is kept.
 * @param rated [n] values of {@link RATED}, or undefined for no threshold.
 * @param wellFormed [n] 1 for the records that are interactions.
 */
export function decide(
  pairs: Pairs,
  rated: Uint8Array | undefined,
  wellFormed: Uint8Array,
  core: number,
  split: SplitOptions,
): Decision {
  const { pairs: sorted, row } = sortByUser(pairs, wellFormed);
  const alive = new Uint8Array(row.length).fill(1);
  const duplicates = deduplicate(sorted, alive);
  let belowRating = 0;
  let withoutRating = 0;
  if (rated) {
    for (let k = 0; k < row.length; k++) {
      const own = rated[row[k]!];
      if (alive[k] === 0 || own === RATED.above) continue;
      alive[k] = 0;
      if (own === RATED.below) belowRating++;
      else withoutRating++;
    }
  }
  const order = split.method === "cllm4rec" ? firstAppearance(sorted, alive, row) : undefined;
  const outsideCore = kCore(sorted, alive, core);
  const { part, formerUser, formerItem } = order
    ? cllm4recSplit(sorted, alive, order, split.seed)
    : renumberAndSplit(sorted, alive, split);
  const partOf = new Uint8Array(pairs.user.length);
  let kept = 0;
  pairs.user.fill(0);
  pairs.item.fill(0);
  for (let k = 0; k < row.length; k++) {
    if (alive[k] === 0) continue;
    kept++;
    const p = row[k]!;
    partOf[p] = part[k]!;
    pairs.user[p] = sorted.user[k]!;
    pairs.item[p] = sorted.item[k]!;
  }
  return { part: partOf, formerUser, formerItem, duplicates, belowRating, withoutRating, outsideCore, kept };
}

/** Indices in the order of the former ones, whatever the split. */
function renumberAndSplit(
  pairs: Pairs,
  alive: Uint8Array,
  split: SplitOptions,
): Pick<Decision, "part" | "formerUser" | "formerItem"> {
  const formerUser = renumber(pairs.user, pairs.users, alive);
  const formerItem = renumber(pairs.item, pairs.items, alive);
  const part = splitPairs({ ...pairs, users: formerUser.length, items: formerItem.length }, alive, split);
  return { part, formerUser, formerItem };
}
