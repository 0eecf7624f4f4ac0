// A made-up shop with a latent structure: items have attributes, people have tastes, and who buys what follows from
// both.
import { Random } from "./random.mjs";
import { BRANDS, DEPARTMENTS, STYLES, USES } from "./words.mjs";

/**
 * @typedef {object} Item
 * @property {string} id
 * @property {number} brand
 * @property {number} department
 * @property {number} noun
 * @property {number} material
 * @property {number} style
 * @property {number} use
 * @property {number} feature what it is known for
 * @property {number} quality about standard normal
 * @property {number} popularity a factor on how often it is bought
 * @property {string} title
 */

/**
 * @typedef {object} Shopper
 * @property {string} id
 * @property {readonly number[]} departments affinity to each
 * @property {readonly number[]} styles
 * @property {readonly number[]} uses
 * @property {number} favouriteStyle
 * @property {number} favouriteUse
 * @property {number} mildness added to all ratings
 */

/**
 * @typedef {object} Purchase
 * @property {Shopper} shopper
 * @property {Item} item
 * @property {number} rating 1 to 5
 * @property {number} day days since the shop opened
 * @property {readonly Item[]} before what the shopper bought earlier
 */

/** A brand's two departments and its style: the same in every world. @param {number} brand */
const brandOf = (brand) => ({
  departments: [brand % DEPARTMENTS.length, (brand * 3 + 1) % DEPARTMENTS.length],
  style: (brand * 5 + 2) % STYLES.length,
});

/**
 * @param {number} seed
 * @param {number} count
 * @param {ReadonlySet<string>} [excluded] titles that must not occur
 * @returns {Item[]} no two with the same title
 */
export function makeItems(seed, count, excluded = new Set()) {
  const random = new Random(seed, "items");
  const titles = new Set(excluded);
  /** @type {Item[]} */
  const items = [];
  while (items.length < count) {
    const brand = random.below(BRANDS.length);
    const own = brandOf(brand);
    const department = random.pick(own.departments);
    const { nouns, materials, praise } = /** @type {import("./words.mjs").Department} */ (DEPARTMENTS[department]);
    const [noun, material] = [random.below(nouns.length), random.below(materials.length)];
    // Half of a brand's items are in its style.
    const style = random.unit() < 0.5 ? own.style : random.below(STYLES.length);
    const title = `${BRANDS[brand]} ${STYLES[style]?.adjective} ${materials[material]} ${nouns[noun]}`;
    const rest = {
      use: random.below(USES.length),
      feature: random.below(praise.length),
      quality: random.normal(),
      popularity: 0.25 + 2.5 * random.unit() * random.unit() * random.unit(),
    };
    if (titles.has(title)) continue;
    titles.add(title);
    items.push({ id: idOf("S", items.length), brand, department, noun, material, style, title, ...rest });
  }
  return items;
}

/**
 * @param {number} seed
 * @param {number} count
 * @returns {Shopper[]}
 */
export function makeShoppers(seed, count) {
  const random = new Random(seed, "shoppers");
  const indices = (/** @type {readonly unknown[]} */ list) => list.map((_, i) => i);
  return Array.from({ length: count }, (_, i) => {
    const [first, second] = random.sample(indices(DEPARTMENTS), 2);
    const [favouriteStyle, otherStyle] = random.sample(indices(STYLES), 2);
    const favouriteUse = random.below(USES.length);
    return {
      id: idOf("U", i),
      departments: DEPARTMENTS.map((_, d) => (d === first ? 6 : d === second ? 4 : 0.3)),
      styles: STYLES.map((_, s) => (s === favouriteStyle ? 5 : s === otherStyle ? 2 : 0.4)),
      uses: USES.map((_, u) => (u === favouriteUse ? 3 : 0.7)),
      favouriteStyle: favouriteStyle ?? 0,
      favouriteUse,
      mildness: 0.4 * random.normal(),
    };
  });
}

/**
 * How much a shopper is drawn to an item: the product of the affinities to its attributes, and its popularity.
 * @param {Shopper} shopper
 * @param {Item} item
 */
function attraction({ departments, styles, uses }, { department, style, use, popularity }) {
  return (departments[department] ?? 0) * (styles[style] ?? 0) * (uses[use] ?? 0) * popularity;
}

/**
 * What everybody buys, in order of time for each shopper: between `least` and `most` different items, drawn by
 * attraction.
 * @param {number} seed
 * @param {readonly Item[]} items
 * @param {readonly Shopper[]} shoppers
 * @param {{ readonly least: number, readonly most: number }} sizes
 * @returns {Purchase[]}
 */
export function makePurchases(seed, items, shoppers, { least, most }) {
  const random = new Random(seed, "purchases");
  return shoppers.flatMap((shopper) => {
    const weights = items.map((item) => attraction(shopper, item));
    // Short histories are more common than long ones.
    const count = least + Math.floor((most - least + 1) * random.unit() * random.unit());
    let day = random.below(1200);
    /** @type {Item[]} */
    const bought = [];
    return Array.from({ length: count }, () => {
      const index = random.weighted(weights);
      weights[index] = 0;
      const item = /** @type {Item} */ (items[index]);
      day += 1 + random.below(40);
      // Liking grows with style, use and quality; four is the usual rating, as in real shops.
      const likes =
        ((shopper.styles[item.style] ?? 0) > 1 ? 0.5 : -0.3) + ((shopper.uses[item.use] ?? 0) > 1 ? 0.4 : 0);
      const felt = 4 + likes + shopper.mildness + 0.5 * item.quality + 0.5 * random.normal();
      const rating = Math.min(5, Math.max(1, Math.round(felt)));
      const purchase = { shopper, item, rating, day, before: [...bought] };
      bought.push(item);
      return purchase;
    });
  });
}

/** @param {string} prefix @param {number} index */
function idOf(prefix, index) {
  return `${prefix}${String(index + 1).padStart(4, "0")}`;
}
