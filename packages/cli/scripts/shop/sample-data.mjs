// The sample data of `cllm4rec demo`: reviews and items of a made-up shop as Amazon's 2014 files have them, JSON lines.
import { description, review, textRandom, wordsOf } from "./texts.mjs";
import { makeItems, makePurchases, makeShoppers } from "./world.mjs";

export const SAMPLE_SEED = 20261121;
export const SAMPLE_SIZES = { shoppers: 600, items: 400, least: 8, most: 20 };

/** 1 January 2016, in seconds since 1970. */
const OPENED = 1_451_606_400;

/**
 * @param {number} [seed]
 * @returns {{ reviews: string, items: string }} the two files' contents
 */
export function sampleData(seed = SAMPLE_SEED) {
  const { shoppers, items: count, least, most } = SAMPLE_SIZES;
  const items = makeItems(seed, count);
  const purchases = makePurchases(seed, items, makeShoppers(seed, shoppers), { least, most });
  const reviews = purchases.map((purchase) => {
    const { shopper, item, rating, day } = purchase;
    const { summary, text } = review(purchase, textRandom(seed, `${shopper.id} ${item.id}`));
    return {
      reviewerID: shopper.id,
      asin: item.id,
      overall: rating,
      summary,
      reviewText: text,
      unixReviewTime: OPENED + day * 86_400,
    };
  });
  const meta = items.map((item) => ({
    asin: item.id,
    title: item.title,
    brand: wordsOf(item).brand,
    categories: [[wordsOf(item).department]],
    description: description(item, textRandom(seed, item.id)),
  }));
  return { reviews: lines(reviews), items: lines(meta) };
}

/** @param {readonly object[]} records */
function lines(records) {
  return records.map((record) => `${JSON.stringify(record)}\n`).join("");
}
