// Amazon product reviews of 2014 (McAuley et al. 2015), 2018 (Ni et al. 2019) and 2023 (Hou et al. 2024), with their
// metadata files.
// Sources: jmcauley.ucsd.edu/data/amazon, nijianmo.github.io/amazon, amazon-reviews-2023.github.io.
import { CorpusError } from "../errors.js";
import { loadJsonLines, requireKeys } from "./json-lines.js";
import type { Description, MetadataShape, ReadContext, Reader } from "./reader.js";
import { type LoadedFile, loadLines } from "./records.js";
import { idOf, plain, sentences } from "./text.js";

const KEYS_2014 = {
  user: "reviewerID",
  item: "asin",
  rating: "overall",
  timestamp: "unixReviewTime",
  text: "reviewText",
} as const;

const KEYS_2023 = {
  user: "user_id",
  item: "parent_asin",
  rating: "rating",
  timestamp: "timestamp",
  text: "text",
} as const;

/**
 * Item text: title, brand, categories, features, description. Aggregates of reviews (rank, average rating) are left
 * out.
 */
function describeItem(idKey: "asin" | "parent_asin"): MetadataShape["describe"] {
  return (record): Description | undefined => {
    const id = idOf(record[idKey]);
    if (id === undefined) return undefined;
    const title = plain(record.title);
    const brand = plain(record.brand ?? record.store);
    const categories = plain(record.categories ?? record.category);
    const features = plain(record.features ?? record.feature, ". ");
    const description = plain(record.description, " ");
    return { kind: "item", id, title, text: sentences(title, brand, categories, features, description) };
  };
}

async function itemMetadata(
  { probe }: ReadContext,
  format: string,
  idKey: "asin" | "parent_asin",
): Promise<MetadataShape> {
  requireKeys(probe, format, [idKey]);
  return { records: { kind: "json" }, describe: describeItem(idKey) };
}

/** Whether a record is of a product with one of these keys, and not of a review. */
function isProduct(
  object: Readonly<Record<string, unknown>> | undefined,
  id: string,
  user: string,
  keys: readonly string[],
): boolean {
  return object !== undefined && id in object && !(user in object) && keys.some((key) => key in object);
}

/** The "ratings only" files: four columns without a header. */
function loadRatings(
  { engine, probe }: ReadContext,
  order: readonly ["user" | "item", "user" | "item"],
): Promise<LoadedFile> {
  return loadLines(
    engine,
    probe.source,
    {},
    {
      from: (lines) => `(SELECT l, string_split(l, ',') AS f FROM ${lines})`,
      columns: {
        user: `f[${order.indexOf("user") + 1}]`,
        item: `f[${order.indexOf("item") + 1}]`,
        rating: "f[3]",
        timestamp: "f[4]",
      },
      broken: "len(f) <> 4",
      blank: "coalesce(trim(l), '') = ''",
    },
  );
}

const RATINGS_2014 = /^A[A-Z0-9]{9,},[A-Z0-9]{10},\d(?:\.\d+)?,\d+\s*$/;
const RATINGS_2018 = /^[A-Z0-9]{10},A[A-Z0-9]{9,},\d(?:\.\d+)?,\d+\s*$/;

function isCsv({ probe }: ReadContext): boolean {
  return probe.object === undefined && (probe.lines[0] ?? "").split(",").length >= 4;
}

export const amazon2014: Reader = {
  format: "amazon-2014",
  about: "Amazon reviews of 2014: reviews_*.json, meta_*.json (strict or Python-like), ratings_*.csv",
  recognises: ({ object, lines }) =>
    (object !== undefined && "reviewerID" in object && "asin" in object && !("verified" in object)) ||
    RATINGS_2014.test(lines[0] ?? ""),
  load: (context) =>
    isCsv(context)
      ? loadRatings(context, ["user", "item"])
      : loadJsonLines(context, "amazon-2014", KEYS_2014, { required: ["reviewerID", "asin", "overall"] }),
  describes: ({ object }) =>
    isProduct(object, "asin", "reviewerID", ["categories", "related", "salesRank", "imUrl", "price", "brand"]),
  metadata: (context) => itemMetadata(context, "amazon-2014", "asin"),
};

export const amazon2018: Reader = {
  format: "amazon-2018",
  about: "Amazon reviews of 2018: *.json, *_5.json, meta_*.json, ratings-only *.csv (item, user, rating, time)",
  recognises: ({ object, lines }) =>
    (object !== undefined && "reviewerID" in object && "asin" in object && "verified" in object) ||
    RATINGS_2018.test(lines[0] ?? ""),
  load: (context) =>
    isCsv(context)
      ? loadRatings(context, ["item", "user"])
      : loadJsonLines(context, "amazon-2018", KEYS_2014, { required: ["reviewerID", "asin", "overall"] }),
  describes: ({ object }) =>
    isProduct(object, "asin", "reviewerID", ["category", "also_buy", "also_view", "main_cat", "feature", "rank"]),
  metadata: (context) => itemMetadata(context, "amazon-2018", "asin"),
};

/**
 * `user_id,parent_asin,rating,timestamp` and, in some, a fifth column `history`. Times are milliseconds, as in the
 * reviews.
 */
const HEADER_2023 = /^user_id,parent_asin,rating,timestamp(,history)?\s*$/;

export const amazon2023: Reader = {
  format: "amazon-2023",
  about: "Amazon reviews of 2023: *.jsonl, meta_*.jsonl, benchmark *.csv; items are parent_asin",
  recognises: ({ object, lines }) =>
    (object !== undefined && "user_id" in object && "parent_asin" in object) || HEADER_2023.test(lines[0] ?? ""),
  async load(context) {
    const { engine, probe } = context;
    if (!isCsv(context)) {
      const required = ["user_id", "parent_asin", "rating"];
      return loadJsonLines(context, "amazon-2023", KEYS_2023, { timestampUnit: 1000, required });
    }
    const header = HEADER_2023.exec(probe.lines[0] ?? "");
    if (!header) {
      throw new CorpusError(
        `${probe.source.path}:1: the header "user_id,parent_asin,rating,timestamp" is expected (format ` +
          `amazon-2023), found ${JSON.stringify(probe.lines[0]?.slice(0, 80))}. Name the right \`format\`.`,
        { options: ["format"] },
      );
    }
    return loadLines(
      engine,
      probe.source,
      { skip: 1 },
      {
        from: (lines) => `(SELECT l, string_split(l, ',') AS f FROM ${lines})`,
        columns: { user: "f[1]", item: "f[2]", rating: "f[3]", timestamp: "f[4]" },
        broken: `len(f) <> ${header[1] === undefined ? 4 : 5}`,
        blank: "coalesce(trim(l), '') = ''",
        timestampUnit: 1000,
      },
    );
  },
  describes: ({ object }) =>
    isProduct(object, "parent_asin", "user_id", ["main_category", "store", "average_rating", "categories", "features"]),
  metadata: (context) => itemMetadata(context, "amazon-2023", "parent_asin"),
};
