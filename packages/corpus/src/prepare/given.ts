// A split that comes with the data: records belong to the part that their file is for. Nothing is filtered or moved.
import type { GivenPart } from "../dataset/dataset.js";
import type { Decision } from "./decide.js";
import { deduplicate } from "./deduplicate.js";
import { groupBy, type Pairs } from "./pairs.js";
import { renumber } from "./renumber.js";
import { PART, splitPairs } from "./split.js";

/** Rows [start, end) of the records, and the part that they are. */
export interface PartRange {
  readonly part: GivenPart;
  readonly start: number;
  readonly end: number;
}

/** A (user, item) pair that is in two parts, by its indices in the columns. */
export interface Overlap {
  readonly user: number;
  readonly item: number;
  readonly parts: readonly [GivenPart, GivenPart];
}

/** The first pair that is in more than one part, and how many there are; undefined if there is none. */
export function findOverlap(
  { user, item, users, items }: Pairs,
  alive: Uint8Array,
  ranges: readonly PartRange[],
): { readonly first: Overlap; readonly count: number } | undefined {
  const part = partsOf(ranges, alive);
  const { start, positions } = groupBy(user, users, alive);
  // For each item: the user that last had it, and in which part.
  const seenBy = new Int32Array(items).fill(-1);
  const seenIn = new Uint8Array(items);
  let first: Overlap | undefined;
  let count = 0;
  for (let u = 0; u < users; u++) {
    for (const p of positions.subarray(start[u]!, start[u + 1]!)) {
      const i = item[p]!;
      if (seenBy[i] === u && seenIn[i] !== part[p]) {
        count++;
        first ??= { user: u, item: i, parts: [SPLITS[seenIn[i]!]!, SPLITS[part[p]!]!] };
        continue;
      }
      seenBy[i] = u;
      seenIn[i] = part[p]!;
    }
  }
  return first && { first, count };
}

const SPLITS: Readonly<Record<number, GivenPart>> = {
  [PART.train]: "train",
  [PART.validation]: "validation",
  [PART.test]: "test",
};

/** [n] the part of each alive record, 0 for the others. */
function partsOf(ranges: readonly PartRange[], alive: Uint8Array): Uint8Array {
  const part = new Uint8Array(alive.length);
  for (const range of ranges) {
    for (let p = range.start; p < range.end; p++) if (alive[p] === 1) part[p] = PART[range.part];
  }
  return part;
}

/**
 * Decides as {@link decide} does, with the parts that are given. Pairs must be in one part only.
 * @param draw takes a share of each user's training interactions for validation; only where there is no validation.
 */
export function decideGiven(
  pairs: Pairs,
  alive: Uint8Array,
  ranges: readonly PartRange[],
  draw: { readonly share: number; readonly seed: number } | undefined,
): Decision {
  const duplicates = deduplicate(pairs, alive);
  const formerUser = renumber(pairs.user, pairs.users, alive);
  const formerItem = renumber(pairs.item, pairs.items, alive);
  const part = partsOf(ranges, alive);
  if (draw) {
    const train = part.map((value) => (value === PART.train ? 1 : 0));
    const dense = { ...pairs, users: formerUser.length, items: formerItem.length };
    const { share, seed } = draw;
    const drawn = splitPairs(dense, train, { method: "random", seed, validationShare: share, testShare: 0 });
    for (let p = 0; p < part.length; p++) if (drawn[p] === PART.validation) part[p] = PART.validation;
  }
  let kept = 0;
  for (let p = 0; p < alive.length; p++) kept += alive[p]!;
  const none = { belowRating: 0, withoutRating: 0, outsideCore: 0 };
  return { part, formerUser, formerItem, duplicates, ...none, kept };
}
