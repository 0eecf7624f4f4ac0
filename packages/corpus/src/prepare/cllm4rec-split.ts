// The split of the CLLM4Rec paper from the raw file: which user and item has which index, and which of a user's items
// are held out. The rule is that of the preprocessing which two of the paper's authors published
// (github.com/anord-wang/LLM4REC, src/data_preprocess_amazon.py), restated here; test/real-data.test.ts checks it
// against the released Beauty matrices.
import { NumpyRandomState } from "../random/numpy-random-state.js";
import { PythonRandom } from "../random/python-random.js";
import { groupBy, type Pairs } from "./pairs.js";
import { PART } from "./split.js";

/** The seed of the authors' preprocessing. */
export const CLLM4REC_SEED = 98765;

/**
 * Users with an alive record, in the order of their first one in the file.
 * @param row [n] the place of each record in the file; rising within a user.
 */
export function firstAppearance({ user, users }: Pairs, alive: Uint8Array, row: Int32Array): Int32Array {
  const first = new Int32Array(users).fill(-1);
  const order = new Int32Array(users);
  let count = 0;
  for (let p = 0; p < user.length; p++) {
    const u = user[p]!;
    if (alive[p] === 0 || first[u]! >= 0) continue;
    first[u] = row[p]!;
    order[count++] = u;
  }
  return order.subarray(0, count).sort((a, b) => first[a]! - first[b]!);
}

/**
 * Numbers users and items and splits, as the authors' code does with two generators that are seeded once each:
 * 1. Users in the order of their first positive record, the k-core's losses left out, are shuffled by Python's
 *    `random.shuffle`. A user's index is the place in the shuffled list.
 * 2. User by user, in the order of these indices, items are sorted by time (equal times: as in the file). An item's
 *    index is the rank of its first appearance in these lists.
 * 3. User by user, in the same order and from one stream, the list is shuffled by NumPy's legacy `shuffle`. The last
 *    max(1, ⌊n/10⌋) items are for test, as many before them for validation, the rest for training.
 *
 * Takes the columns over: `pairs.user` and `pairs.item` hold the new indices of the alive records afterwards, 0
 * elsewhere.
 * @param order users by their first positive record, from {@link firstAppearance} before the k-core.
 * @param seed of both generators: an integer in [0, 2³²).
 */
export function cllm4recSplit(
  pairs: Pairs,
  alive: Uint8Array,
  order: Int32Array,
  seed: number,
): { readonly part: Uint8Array; readonly formerUser: Int32Array; readonly formerItem: Int32Array } {
  const { user, item, timestamp, users, items } = pairs;
  const { start, positions } = groupBy(user, users, alive);
  const formerUser = order.filter((u) => start[u + 1]! > start[u]!);
  new PythonRandom(seed).shuffle(formerUser);

  const part = new Uint8Array(user.length);
  const itemIndex = new Int32Array(items).fill(-1);
  const formerItem = new Int32Array(items);
  let itemCount = 0;
  const numpy = new NumpyRandomState(seed);
  const byTime = (a: number, b: number) => timestamp[a]! - timestamp[b]! || a - b;
  for (const former of formerUser) {
    const own = positions.subarray(start[former]!, start[former + 1]!).sort(byTime);
    for (const p of own) {
      const i = item[p]!;
      if (itemIndex[i]! >= 0) continue;
      itemIndex[i] = itemCount;
      formerItem[itemCount++] = i;
    }
    numpy.shuffle(own);
    const held = Math.max(1, Math.floor(own.length / 10));
    for (const [k, p] of own.entries()) {
      part[p] = k < own.length - 2 * held ? PART.train : k < own.length - held ? PART.validation : PART.test;
    }
  }

  const userIndex = new Int32Array(users);
  for (const [index, former] of formerUser.entries()) userIndex[former] = index;
  for (let p = 0; p < user.length; p++) {
    user[p] = alive[p] === 1 ? userIndex[user[p]!]! : 0;
    item[p] = alive[p] === 1 ? itemIndex[item[p]!]! : 0;
  }
  return { part, formerUser, formerItem: formerItem.slice(0, itemCount) };
}
