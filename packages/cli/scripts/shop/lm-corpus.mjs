// Text for pretraining the tiny LM: another shop of the same kind as the sample data's, with other items and other
// people.
import { SAMPLE_SEED, SAMPLE_SIZES } from "./sample-data.mjs";
import { description, review, textRandom, wordsOf } from "./texts.mjs";
import { makeItems, makePurchases, makeShoppers } from "./world.mjs";

/** @typedef {import("./world.mjs").Item} Item */

/** Seeds of the text to train on and of the text to measure on. */
export const LM_SEEDS = { train: 1, heldOut: 2 };
export const LM_SIZES = {
  train: { items: 2400, shoppers: 6000, least: 8, most: 26 },
  heldOut: { items: 400, shoppers: 120, least: 8, most: 26 },
};

/**
 * Documents in a seeded order: what items are, what people write about them, and what people bought one after another.
 * Some stand in the wording of the paper's prompts, with titles in the places where CLLM4Rec will have its user and
 * item tokens.
 *
 * No title occurs that the sample data has, nor one that the other of the two parts has; nothing in it knows the sample
 * data's people.
 * @param {"train" | "heldOut"} part
 * @returns {string[]}
 */
export function lmCorpus(part) {
  const seed = LM_SEEDS[part];
  const known = new Set(makeItems(SAMPLE_SEED, SAMPLE_SIZES.items).map(({ title }) => title));
  if (part === "heldOut")
    for (const { title } of makeItems(LM_SEEDS.train, LM_SIZES.train.items, known)) known.add(title);
  const sizes = LM_SIZES[part];
  const items = makeItems(seed, sizes.items, known);
  const shoppers = makeShoppers(seed, sizes.shoppers);
  const purchases = makePurchases(seed, items, shoppers, sizes);
  const basketOf = new Map(shoppers.map((shopper) => [shopper, /** @type {Item[]} */ ([])]));
  for (const { shopper, item } of purchases) basketOf.get(shopper)?.push(item);
  const documents = items.flatMap((item) =>
    ["a", "b"].map((version) => {
      const text = description(item, textRandom(seed, `${item.id} ${version}`));
      const { brand, department } = wordsOf(item);
      const whole = `${item.title}. ${brand}. ${department}. ${text}`;
      return version === "a" ? whole : `The content of the ${item.title} is : ${whole}`;
    }),
  );
  for (const purchase of purchases) {
    const { shopper, item, before } = purchase;
    const random = textRandom(seed, `${shopper.id} ${item.id}`);
    const { text } = review(purchase, random);
    const kind = random.unit();
    if (kind < 0.3) documents.push(`The user writes the review for the ${item.title} : ${text}`);
    else if (kind < 0.5) documents.push(text);
    if (before.length >= 3 && random.unit() < 0.2) documents.push(history(before, basketOf.get(shopper) ?? [], random));
  }
  return textRandom(seed, "the order of documents").sample(documents, documents.length);
}

/**
 * What somebody bought and buys next, or all in one list; what is next by its title, or without the brand.
 * @param {readonly Item[]} before
 * @param {readonly Item[]} basket all that the person ever buys, in order
 * @param {import("./random.mjs").Random} random
 */
function history(before, basket, random) {
  const known = random.sample(before, Math.min(before.length, 3 + random.below(8))).map(({ title }) => title);
  const later = basket.slice(before.length);
  const next = random.sample(later, Math.min(later.length, 3)).map((item) => {
    const { style, material, noun } = wordsOf(item);
    return { full: item.title, short: `${style.adjective} ${material} ${noun}` };
  });
  const kind = random.unit();
  if (kind < 0.3) return `The user has interacted with ${[...known, ...next.map(({ full }) => full)].join(" ")}`;
  const named = next.map(({ full, short }) => (kind < 0.65 ? full : short));
  return `The user has interacted with ${known.join(" ")} the user will interact with: ${named.join(" ")}`;
}
