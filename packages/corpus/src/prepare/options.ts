// What `prepare` is asked for and what it reports meanwhile.
import { CorpusUsageError } from "../errors.js";
import { checkColumns } from "../readers/column-mapping.js";
import { QUOTES, type Quote } from "../readers/csv-dialect.js";
import { type ColumnMapping, FORMATS, type FormatName, type MetaColumns } from "../readers/reader.js";
import { ENCODINGS, type Encoding } from "../readers/source.js";
import { CLLM4REC_SEED } from "./cllm4rec-split.js";
import { SPLIT_METHODS, type SplitMethod } from "./split.js";

export interface PrepareOptions {
  /**
   * Files of interactions, or one folder: the authors' matrices, RecBole's or LightGCN's files of a given split, a
   * RecBole or MovieLens folder. Compression is recognised by content.
   */
  readonly inputs: readonly string[];
  /** Files that describe items and users; matched to the interactions by raw id. */
  readonly meta?: readonly string[];
  /** Format of `inputs`; recognised from the first file if left out. Each file of `meta` is recognised separately. */
  readonly format?: FormatName;
  /**
   * Column mapping for csv, tsv, jsonl, json and parquet; by positions ("1", "2", …) for csv and tsv without a header.
   */
  readonly columns?: ColumnMapping;
  /** Columns of generic metadata: `item` or `user` (the raw id), `title`, `text`. */
  readonly metaColumns?: MetaColumns;
  /**
   * "double": fields of csv and tsv files may be in double quotes; "none": quotes are text. Default: "double" for
   * csv, "none" for tsv.
   */
  readonly quote?: Quote;
  /** How the bytes of text files, `meta` included, are characters. Default "utf-8". */
  readonly encoding?: Encoding;
  /** The dataset directory to write. */
  readonly output: string;
  /** Replace an existing dataset at `output`. Default false. */
  readonly force?: boolean;
  /** Keep ratings *above* this; null: keep all. Default 3 if the input has ratings (the paper), else none. */
  readonly minRating?: number | null;
  /** Least number of interactions of each user and item; 0: no filter. Default 5 (the paper). */
  readonly core?: number;
  /** Default "random" (the paper); "cllm4rec" makes the paper's own split and indices from the raw file. */
  readonly split?: SplitMethod;
  /** Integer in [0, 2^53). Default 0; for "cllm4rec" in [0, 2^32), default 98765 (the authors'). */
  readonly seed?: number;
  /**
   * Shares of a user's interactions under "random" and "time". Default 0.1 each (the paper). Of a given split without
   * validation, `validationShare` takes that share of each user's training interactions, at least one as long as one is
   * left; default none.
   */
  readonly validationShare?: number;
  readonly testShare?: number;
  /**
   * Share of the items with a title or text, in (0, 1), that are held out of training and validation entirely: the cold
   * items. They are drawn by `seed`, after the split. Their interactions are the part `cold-test`; `test` has those
   * with the other items. Default: none.
   */
  readonly holdOutItems?: number;
  /** Share of malformed records up to which the input is accepted. Default 0.1. */
  readonly maxMalformed?: number;
  /** DuckDB's threads and buffer limit (for example "2GB"). Defaults: one a core; 80% of memory. */
  readonly threads?: number;
  readonly memoryLimit?: string;
  /** Stops the work; nothing is left behind. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: PrepareEvent) => void;
}

/** What happens during `prepare`, for progress displays. */
export type PrepareEvent =
  | { readonly type: "format"; readonly format: FormatName; readonly detected: boolean }
  | { readonly type: "stage"; readonly stage: "read" | "filter" | "describe" | "write"; readonly file?: string }
  /** The running stage, as a share in [0, 1]. */
  | { readonly type: "progress"; readonly share: number }
  /** One of the first malformed records of a file. */
  | {
      readonly type: "malformed";
      readonly file: string;
      readonly place: string;
      readonly reason: string;
      readonly snippet: string;
    }
  /** What holding out items did. */
  | { readonly type: "held out"; readonly message: string }
  /** A metadata file that is of another format than the interactions. */
  | { readonly type: "metadata"; readonly file: string; readonly format: FormatName }
  /** `options` are those that the message names in backticks. */
  | { readonly type: "warning"; readonly message: string; readonly options?: readonly string[] };

/** The options with every default in place. */
export interface ResolvedOptions {
  /** undefined: 3 where there are ratings. */
  readonly minRating: number | null | undefined;
  readonly core: number;
  readonly split: SplitMethod;
  readonly seed: number;
  readonly validationShare: number;
  readonly testShare: number;
  readonly maxMalformed: number;
}

/** @throws CorpusUsageError naming the option, the value found and what is expected. */
export function resolveOptions(options: PrepareOptions): ResolvedOptions {
  const {
    minRating,
    core = 5,
    split = "random",
    seed = split === "cllm4rec" ? CLLM4REC_SEED : 0,
    validationShare = 0.1,
    testShare = 0.1,
    maxMalformed = 0.1,
  } = options;
  const refuse = (name: string, value: unknown, expected: string): never => {
    throw new CorpusUsageError(`${name} is ${JSON.stringify(value)}: ${expected} is expected`);
  };
  if (options.inputs.length === 0) refuse("inputs", [], "at least one file");
  if (options.output === "") refuse("output", "", "a folder to write to");
  if (options.format !== undefined && !FORMATS.includes(options.format))
    refuse("format", options.format, `one of ${FORMATS.join(", ")}`);
  if (options.columns) checkColumns(options.columns);
  if (options.quote !== undefined && !QUOTES.includes(options.quote))
    refuse("quote", options.quote, QUOTES.join(" or "));
  if (options.encoding !== undefined && !ENCODINGS.includes(options.encoding))
    refuse("encoding", options.encoding, ENCODINGS.join(" or "));
  if (minRating !== undefined && minRating !== null && !Number.isFinite(minRating))
    refuse("minRating", minRating, "a number or null");
  if (!Number.isInteger(core) || core < 0 || core > 2 ** 31 - 1) refuse("core", core, "an integer from 0 on");
  if (!SPLIT_METHODS.includes(split)) refuse("split", split, `one of ${SPLIT_METHODS.join(", ")}`);
  if (!Number.isSafeInteger(seed) || seed < 0) refuse("seed", seed, "an integer in [0, 2^53)");
  if (split === "cllm4rec") {
    // NumPy's legacy generator takes 32 bits. One item each for training, validation and test.
    if (seed >= 2 ** 32) refuse("seed", seed, "with the split cllm4rec an integer in [0, 2^32)");
    if (core < 3) refuse("core", core, "with the split cllm4rec at least 3");
    for (const name of ["validationShare", "testShare"] as const) {
      if (options[name] !== undefined)
        refuse(name, options[name], "with the split cllm4rec, which holds out max(1, ⌊n/10⌋) of n, no share");
    }
  }
  for (const [name, share] of Object.entries({ validationShare, testShare })) {
    if (!(share >= 0 && share < 1)) refuse(name, share, "a share in [0, 1)");
  }
  if (validationShare + testShare >= 1)
    refuse("validationShare + testShare", validationShare + testShare, "less than 1");
  const { holdOutItems } = options;
  if (holdOutItems !== undefined && !(holdOutItems > 0 && holdOutItems < 1))
    refuse("holdOutItems", holdOutItems, "a share above 0 and below 1");
  if (!(maxMalformed >= 0 && maxMalformed <= 1)) refuse("maxMalformed", maxMalformed, "a share in [0, 1]");
  if (options.threads !== undefined && (!Number.isInteger(options.threads) || options.threads < 1)) {
    refuse("threads", options.threads, "an integer from 1 on");
  }
  if (options.memoryLimit !== undefined && !/^\d+(\.\d+)? ?[KMGT]i?B$/i.test(options.memoryLimit)) {
    refuse("memoryLimit", options.memoryLimit, 'a size such as "2GB"');
  }
  return { minRating, core, split, seed, validationShare, testShare, maxMalformed };
}

/** Warns of options that a given split leaves without effect. */
export function warnOfIgnored(
  source: string,
  options: PrepareOptions,
  names: readonly ("minRating" | "core" | "split" | "seed" | "validationShare" | "testShare")[],
): void {
  const given = names.filter(
    (name) => options[name] !== undefined && !(name === "seed" && options.holdOutItems !== undefined),
  );
  if (given.length === 0) return;
  options.onEvent?.({
    type: "warning",
    message:
      `the split of ${source} is kept as given: ${given.join(", ")} ${given.length > 1 ? "have" : "has"} no ` +
      "effect",
  });
}
