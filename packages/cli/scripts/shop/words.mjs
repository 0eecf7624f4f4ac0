// The words of a made-up shop: eight departments, six styles, six uses, two dozen brands, and what people say about
// them. Everything here was made up for this project; no text was taken from anywhere.

/**
 * @typedef {object} Department
 * @property {string} name
 * @property {readonly string[]} nouns what is sold
 * @property {readonly string[]} materials
 * @property {readonly string[]} praise what a good one does; the index is the feature that an item is known for
 * @property {readonly string[]} blame what a bad one does
 */

/** @type {readonly Department[]} */
export const DEPARTMENTS = [
  {
    name: "tea and coffee",
    nouns: ["teapot", "kettle", "coffee grinder", "milk jug", "tea caddy", "mug"],
    materials: ["glass", "stoneware", "copper", "steel", "porcelain"],
    praise: [
      "it keeps the tea hot for an hour",
      "it pours without a drip",
      "the brew tastes clean",
      "the lid fits well",
      "it is quick to rinse",
    ],
    blame: ["the handle gets hot", "the lid rattles", "the spout drips", "it stains after a week"],
  },
  {
    name: "baking",
    nouns: ["bread board", "rolling pin", "cake tin", "proofing basket", "pie dish", "dough bowl"],
    materials: ["oak", "beech", "enamel", "rattan", "tinplate"],
    praise: [
      "the crust comes out crisp",
      "dough does not stick to it",
      "the heat is even",
      "it wipes clean",
      "the loaf keeps its shape",
    ],
    blame: ["it warps in the oven", "the dough sticks", "the edge is sharp", "it rusts at the seam"],
  },
  {
    name: "camping",
    nouns: ["tent", "sleeping mat", "camp stove", "lantern", "hammock", "water bag"],
    materials: ["nylon", "canvas", "titanium", "aluminium", "ripstop"],
    praise: [
      "it stayed dry all night",
      "it packs small",
      "it is up in five minutes",
      "it weighs next to nothing",
      "it stood firm in the wind",
    ],
    blame: ["it leaks at the corner", "the pegs bend", "it is heavy to carry", "the zip sticks"],
  },
  {
    name: "garden",
    nouns: ["planter", "watering can", "trowel", "seed tray", "pruning saw", "bird feeder"],
    materials: ["terracotta", "zinc", "ash wood", "bronze", "slate"],
    praise: [
      "the seedlings love it",
      "it drains well",
      "it stays sharp",
      "it survived the frost",
      "the birds came at once",
    ],
    blame: ["it cracked in the frost", "the water stands in it", "the grip came loose", "it tips over"],
  },
  {
    name: "writing",
    nouns: ["notebook", "fountain pen", "desk lamp", "pen case", "letter opener", "ink well"],
    materials: ["linen", "leather", "brass", "walnut", "parchment"],
    praise: [
      "the ink does not bleed",
      "it lies flat on the desk",
      "it writes smoothly",
      "the light is soft",
      "it ages well",
    ],
    blame: ["the ink bleeds through", "the nib scratches", "it wobbles on the desk", "the seam opens"],
  },
  {
    name: "music",
    nouns: ["ukulele", "kalimba", "metronome", "music stand", "hand drum", "harmonica"],
    materials: ["mahogany", "maple", "spruce", "rosewood", "goatskin"],
    praise: [
      "the tone is warm",
      "it holds its tuning",
      "it is loud enough for a room",
      "the action is low",
      "it folds in a second",
    ],
    blame: ["it goes out of tune", "the screws buzz", "the tone is thin", "it slides away"],
  },
  {
    name: "cycling",
    nouns: ["bike bell", "saddle bag", "bike lock", "tyre pump", "rear light", "bottle cage"],
    materials: ["alloy", "carbon", "cordura", "rubber", "chrome"],
    praise: [
      "it does not rattle on gravel",
      "it fits every frame",
      "it mounts without tools",
      "it is bright at night",
      "it kept the rain out",
    ],
    blame: ["the clamp slips", "it rattles on gravel", "the battery dies early", "the strap tore"],
  },
  {
    name: "bathroom",
    nouns: ["soap dish", "bath brush", "towel", "bath mat", "mirror", "laundry basket"],
    materials: ["cotton", "bamboo", "ceramic", "cork", "beeswax"],
    praise: [
      "it dries quickly",
      "it is soft on the skin",
      "it does not slip",
      "it smells of nothing",
      "it stays white",
    ],
    blame: ["it stays damp", "it sheds for weeks", "it slips on tiles", "the colour washes out"],
  },
];

/**
 * @typedef {object} Style
 * @property {string} adjective in titles
 * @property {string} look in descriptions
 * @property {string} liking what somebody of this taste says
 * @property {string} feel in reviews
 */

/** @type {readonly Style[]} */
export const STYLES = [
  { adjective: "plain", look: "clean lines and no ornament", liking: "plain things", feel: "calm and simple" },
  { adjective: "rustic", look: "a rough, handmade surface", liking: "rustic pieces", feel: "honest and earthy" },
  { adjective: "colourful", look: "bright painted stripes", liking: "bright colours", feel: "cheerful" },
  { adjective: "vintage", look: "the look of the nineteen fifties", liking: "old designs", feel: "like an heirloom" },
  { adjective: "sturdy", look: "thick walls and strong joints", liking: "things that last", feel: "solid as a rock" },
  { adjective: "elegant", look: "a slim shape with a fine finish", liking: "fine design", feel: "light and refined" },
];

/**
 * @typedef {object} Use
 * @property {string} offer in descriptions
 * @property {string} story in reviews
 */

/** @type {readonly Use[]} */
export const USES = [
  { offer: "sized for small flats", story: "we live in a small flat" },
  { offer: "made for travel", story: "I travel a lot" },
  { offer: "big enough for families", story: "we are a family of five" },
  { offer: "at home in the office", story: "I keep it at the office" },
  { offer: "boxed as a gift", story: "it was a gift for a friend" },
  { offer: "easy for beginners", story: "I am a beginner" },
];

/** Invented brands; each has a department pair and a style of its own (see world.mjs). */
export const BRANDS = [
  "Velorin",
  "Oskarda",
  "Talmeen",
  "Brundel",
  "Kestova",
  "Mirelo",
  "Harnwick",
  "Solvane",
  "Quillet",
  "Dorrigo",
  "Ansgard",
  "Pemlow",
  "Ruvello",
  "Ystrada",
  "Fennmark",
  "Calloway",
  "Zirbel",
  "Lunetta",
  "Tormond",
  "Wexley",
  "Ivarra",
  "Numbria",
  "Gostwick",
  "Elsinor",
];

export const SUMMARIES = {
  high: ["Love it", "Better than I hoped", "Would buy again", "A small joy", "Just right", "Five stars"],
  good: ["Good", "Does its job", "Nearly perfect", "Happy with it", "Solid choice"],
  low: ["Not for me", "Expected more", "It went back", "Disappointed", "Only for a while"],
};

export const OPENERS = {
  high: ["I use it every day", "What a find", "I could not be happier", "It is my favourite", "Wonderful"],
  good: ["It is fine", "A good buy", "It does what it should", "Mostly happy", "Good value"],
  low: ["I wanted to like it", "Sadly it is not good", "I gave it two weeks", "It looked better online", "A pity"],
};
