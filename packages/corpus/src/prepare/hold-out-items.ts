// Which items are held out of training: a share of those with text, drawn by a pure function of the seed and the item's
// index.
import { HAS_TEXT, moveColdInteractions } from "../dataset/cold-items.js";
import type { Manifest } from "../dataset/manifest.js";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError } from "../errors.js";
import { philox4x32 } from "../random/philox.js";
import type { PrepareOptions } from "./options.js";
import { floorShare } from "./split.js";

/** Keeps these bits apart from every other use of Philox in this package. */
const COLD_STREAM = 0xc01d;

/**
 * ⌊share·n⌋ of the n items, but at least one and not all, uniformly.
 * @param items indices; the result is ascending
 */
export function drawItems(items: readonly number[], share: number, seed: number): number[] {
  const block = new Uint32Array(4);
  const [seedLow, seedHigh] = [seed >>> 0, Math.floor(seed / 2 ** 32) >>> 0];
  const ranked = items.map((item) => {
    philox4x32(block, item, 0, COLD_STREAM, 0, seedLow, seedHigh);
    return { item, rank: block[0]! * 2 ** 21 + (block[1]! >>> 11) };
  });
  ranked.sort((a, b) => a.rank - b.rank || a.item - b.item);
  const count = Math.min(Math.max(1, floorShare(items.length, share)), items.length - 1);
  return ranked
    .slice(0, count)
    .map(({ item }) => item)
    .sort((a, b) => a - b);
}

/**
 * Draws the cold items among those with a title or text, and moves their interactions. Needs `out_users`, `out_items`,
 * `out_interactions`.
 * @throws CorpusError where fewer than two items have text: a cold item is known by nothing else
 */
export async function holdOutItems(
  engine: Engine,
  share: number,
  seed: number,
  onEvent: PrepareOptions["onEvent"],
): Promise<NonNullable<Manifest["coldItems"]>> {
  const rows = await engine.rows(`SELECT item FROM out_items WHERE ${HAS_TEXT} ORDER BY item`);
  const described = rows.map(({ item }) => Number(item));
  if (described.length < 2) {
    throw new CorpusError(
      `${described.length} items have a title or text, and a cold item is known by nothing else: at least 2 are ` +
        `needed for \`holdOutItems\`. Describe the items with \`meta\`.`,
      { options: ["holdOutItems", "meta"] },
    );
  }
  const held = await moveColdInteractions(engine, drawItems(described, share, seed));
  const { items, itemsWithText, usersMoved, usersWithoutTraining } = held;
  const count = (n: number) => `${n} user${n === 1 ? "" : "s"}`;
  const message = [
    `${items} of the ${itemsWithText} items with text are held out of training`,
    ...(usersMoved > 0
      ? [`held-out items of ${count(usersMoved)} became training, who had no other training items`]
      : []),
    ...(usersWithoutTraining > 0 ? [`${count(usersWithoutTraining)} left without training items`] : []),
  ].join("; ");
  onEvent?.({ type: "held out", message });
  return { share, seed, ...held };
}
