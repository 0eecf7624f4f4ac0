// What is written in the made-up shop: titles, descriptions, reviews. Words follow from the item's attributes and the
// writer's taste.
import { Random } from "./random.mjs";
import { BRANDS, DEPARTMENTS, OPENERS, STYLES, SUMMARIES, USES } from "./words.mjs";

/** @typedef {import("./world.mjs").Item} Item */
/** @typedef {import("./world.mjs").Purchase} Purchase */

/** The words that an item's attributes stand for. @param {Item} item */
export function wordsOf({ brand, department, noun, material, style, use, feature }) {
  const { name, nouns, materials, praise, blame } = /** @type {import("./words.mjs").Department} */ (
    DEPARTMENTS[department]
  );
  return {
    brand: BRANDS[brand] ?? "",
    department: name,
    noun: nouns[noun] ?? "",
    material: materials[material] ?? "",
    style: /** @type {import("./words.mjs").Style} */ (STYLES[style]),
    use: /** @type {import("./words.mjs").Use} */ (USES[use]),
    praise: praise[feature] ?? "",
    blame,
  };
}

/** @param {Item} item @param {Random} random */
export function description(item, random) {
  const { noun, material, style, use, department, praise } = wordsOf(item);
  const first = random.pick([
    `A ${noun} of ${material} with ${style.look}, ${use.offer}.`,
    `This ${style.adjective} ${noun} is made of ${material} and ${use.offer}; it has ${style.look}.`,
    `From our ${department} range: a ${noun} of ${material}, ${use.offer}, with ${style.look}.`,
  ]);
  return `${first} ${random.pick([`Customers say that ${praise}.`, `Tested: ${praise}.`, `With this one ${praise}.`])}`;
}

/**
 * @param {Purchase} purchase
 * @param {Random} random
 * @returns {{ summary: string, text: string }}
 */
export function review({ shopper, item, rating, before }, random) {
  const tone = rating > 4 ? "high" : rating > 3 ? "good" : "low";
  const { noun, material, style, use, praise, blame } = wordsOf(item);
  const taste = /** @type {import("./words.mjs").Style} */ (STYLES[shopper.favouriteStyle]);
  const story = /** @type {import("./words.mjs").Use} */ (USES[shopper.favouriteUse]).story;
  const earlier = before.length > 0 ? wordsOf(random.pick(before)) : undefined;
  const good = [
    `the ${material} ${noun} feels ${style.feel}`,
    praise,
    `I like ${taste.liking} and this ${noun} is one of them`,
    `${story} and it is ${use.offer}`,
    ...(earlier ? [`it goes well with my ${earlier.style.adjective} ${earlier.noun}`] : []),
  ];
  const bad = [
    random.pick(blame),
    `the ${material} feels cheap`,
    `I like ${taste.liking} and this one is rather ${style.adjective}`,
    `${story} and it is no use there`,
  ];
  const sentences = random.sample(tone === "low" ? bad : good, tone === "good" ? 1 + random.below(2) : 2);
  // A four-star review has its but.
  if (tone === "good" && random.unit() < 0.4) sentences.push(`only ${random.pick(blame)} at times`);
  return {
    summary: random.pick(SUMMARIES[tone]),
    text: [random.pick(OPENERS[tone]), ...sentences].map(sentence).join(" "),
  };
}

/** @param {string} text */
function sentence(text) {
  return `${text[0]?.toUpperCase()}${text.slice(1)}.`;
}

/** The random numbers of one text, whatever else was written before. @param {number} seed @param {string} what */
export function textRandom(seed, what) {
  return new Random(seed, `text of ${what}`);
}
