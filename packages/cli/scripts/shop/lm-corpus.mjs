// Text for pretraining the tiny LM: another shop of the same kind as the sample data's, with other items and other people.
import { SAMPLE_SEED, SAMPLE_SIZES } from "./sample-data.mjs";
import { description, review, textRandom, wordsOf } from "./texts.mjs";
import { makeItems, makePurchases, makeShoppers } from "./world.mjs";

/** Seeds of the text to train on and of the text to measure on. */
export const LM_SEEDS = { train: 1, heldOut: 2 };
export const LM_SIZES = { train: { items: 1600, shoppers: 3600 }, heldOut: { items: 400, shoppers: 120 } };

/**
 * Documents in a seeded order: what items are, what people write about them, and what people bought one after another. Some stand in the
 * wording of the paper's prompts, with titles in the places where CLLM4Rec will have its user and item tokens.
 *
 * No title occurs that the sample data has, nor one that the other of the two parts has; nothing in it knows the sample data's people.
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
  const purchases = makePurchases(seed, items, makeShoppers(seed, sizes.shoppers), SAMPLE_SIZES);
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
    if (before.length >= 3 && random.unit() < 0.2) {
      const titles = random.sample(before, Math.min(before.length, 3 + random.below(8))).map(({ title }) => title);
      const next = purchases.filter((other) => other.shopper === shopper && !before.includes(other.item));
      const wanted = random.sample(next, Math.min(next.length, 3)).map((other) => other.item.title);
      documents.push(
        random.unit() < 0.5
          ? `The user has interacted with ${titles.join(" ")} the user will interact with: ${wanted.join(" ")}`
          : `The user has interacted with ${[...titles, ...wanted].join(" ")}`,
      );
    }
  }
  return textRandom(seed, "the order of documents").sample(documents, documents.length);
}
