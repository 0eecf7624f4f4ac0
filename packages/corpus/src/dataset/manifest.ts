// The manifest of a dataset directory: what is in it, where it came from, how it was made, and how to tell that it is
// intact. Version 1. Readers refuse other versions; unknown keys are refused too, so that a damaged manifest never
// half-loads.
import { z } from "zod";

const count = z.int().nonnegative();
const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "a SHA-256 in lower-case hexadecimal");
const fileRecord = z.strictObject({ bytes: count, sha256 });

const preparationSchema = z.strictObject({
  /** Ratings above (not at) this value are kept as positive interactions; null: no rating filter. */
  minRating: z.number().nullable(),
  /** Every user and every item keeps at least this many interactions; 0 or 1: no filter. */
  core: count,
  split: z.enum(["random", "leave-one-out", "time", "cllm4rec", "given"]),
  seed: z.int().nonnegative(),
  /** Shares of a user's interactions for validation and test under `random` and `time`. */
  validationShare: z.number().min(0).max(1),
  testShare: z.number().min(0).max(1),
  /** The share of malformed records up to which the input was accepted. */
  maxMalformed: z.number().min(0).max(1),
});

const recordsSchema = z.strictObject({
  /** Records in the input files, malformed ones included. */
  records: count,
  /** Records that are not of the format: broken JSON, missing ids, non-numeric ratings or times. */
  malformed: count,
  /** Earlier records of a (user, item) pair that a later record replaced. */
  duplicates: count,
  /** Pairs whose rating is not above `minRating`. */
  belowRating: count,
  /** Pairs without a rating although a threshold was set; they are dropped. */
  withoutRating: count,
  /** Pairs that the k-core removed. */
  outsideCore: count,
  /** Pairs that remain: the sum of the three splits. */
  kept: count,
  /** Records in which half of a surrogate pair, which is no character, became U+FFFD; they are not malformed. */
  mended: count.optional(),
  /** Metadata records read, malformed, and those of users or items that are not in the dataset. */
  metadata: count,
  metadataMalformed: count,
  metadataUnused: count,
});

const statisticsSchema = z.strictObject({
  /** The columns of the paper's Table 3: #Int., #Users, #Items, Sparsity (a share, 0.9985 is 99.85%) and #Feat. */
  interactions: count,
  users: count,
  items: count,
  sparsity: z.number().min(0).max(1),
  /** Textual features available for training: reviews of training interactions + item texts + user texts. */
  features: count,
  trainReviews: count,
  itemTexts: count,
  userTexts: count,
  /**
   * Reviews of validation and test interactions; how many are in training word for word; and of these, how many by the
   * same user.
   */
  heldOutReviews: count.optional(),
  heldOutReviewsInTraining: count.optional(),
  heldOutReviewsOfSameUser: count.optional(),
  meanInteractionsPerUser: z.number(),
  meanInteractionsPerItem: z.number(),
});

const coldItemsSchema = z.strictObject({
  /** The share of the items with text that was drawn, and the seed; absent where the items were named, not drawn. */
  share: z.number().gt(0).lt(1).optional(),
  seed: z.int().nonnegative().optional(),
  /** Cold items, and the items with a title or text among which they were drawn. */
  items: count,
  itemsWithText: count,
  /**
   * Users all of whose training items were drawn: their other validation interactions, or else test interactions,
   * became training.
   */
  usersMoved: count,
  /** Users without any training interaction. */
  usersWithoutTraining: count,
});

export const manifestSchema = z.strictObject({
  format: z.literal("cllm4rec-dataset"),
  version: z.literal(1),
  users: count,
  items: count,
  interactions: count,
  train: count,
  validation: count,
  test: count,
  /**
   * Interactions with cold items; present together with `coldItems`, which says which share of the items was held out.
   */
  coldTest: count.optional(),
  coldItems: coldItemsSchema.optional(),
  files: z.strictObject({
    "users.parquet": fileRecord,
    "items.parquet": fileRecord,
    "interactions.parquet": fileRecord,
  }),
  provenance: z.strictObject({
    /** The reader by its format name. */
    reader: z.string(),
    inputs: z.array(z.strictObject({ name: z.string(), role: z.enum(["input", "meta"]), bytes: count, sha256 })),
    /** The column mapping of the generic reader. */
    columns: z.record(z.string(), z.string()).optional(),
    /** `name version` of what wrote the directory. */
    writer: z.string(),
  }),
  preparation: preparationSchema,
  records: recordsSchema,
  statistics: statisticsSchema,
});

/** The content of `manifest.json`. */
export type Manifest = z.infer<typeof manifestSchema>;
/** How a dataset was prepared: every parameter. */
export type Preparation = z.infer<typeof preparationSchema>;
/**
 * What became of each record of the input; the figures add up: records = malformed + duplicates + belowRating +
 * withoutRating + outsideCore + kept.
 */
export type RecordCounts = z.infer<typeof recordsSchema>;
/** Items that were held out of training, and what that did to users. */
export type ColdItems = z.infer<typeof coldItemsSchema>;
/** The quantities of the paper's Table 3 and what they are made of. */
export type Statistics = z.infer<typeof statisticsSchema>;

/** The data files of a dataset directory, in the order in which they are written and checked. */
export const DATA_FILES = ["users.parquet", "items.parquet", "interactions.parquet"] as const;
export const MANIFEST_FILE = "manifest.json";
