// What a reader of one format is: how it recognises its files, how it loads interactions, and how it describes items
// and users.
import type { GivenPart } from "../dataset/dataset.js";
import type { Engine } from "../duckdb/engine.js";
import type { CsvShape, Quote } from "./csv-dialect.js";
import type { CsvScan, CsvScanner } from "./csv-scan.js";
import type { LoadedFile } from "./records.js";
import type { SourceFile } from "./source.js";

/** Every format by the name that the option `format` takes. */
export const FORMATS = [
  "amazon-2014",
  "amazon-2018",
  "amazon-2023",
  "yelp",
  "movielens",
  "recbole",
  "matrices",
  "lightgcn",
  "s3rec",
  "sequences-json",
  "csv",
  "tsv",
  "jsonl",
  "json",
  "parquet",
] as const;
export type FormatName = (typeof FORMATS)[number];

/**
 * Which column of a generic file (csv, tsv, jsonl, json, parquet) is what, by name. Positions from 1 ("1", "2", …)
 * stand for the columns of a csv or tsv file that has no header.
 */
export interface ColumnMapping {
  readonly user: string;
  readonly item: string;
  readonly rating?: string;
  readonly timestamp?: string;
  readonly text?: string;
}

/** Which column of generic metadata is the raw id (of an item or a user) and which are text. */
export type MetaColumns = Readonly<Partial<Record<"item" | "user" | "title" | "text", string>>>;

/** The start of a file, by which formats are recognised. */
export interface Probe {
  readonly source: SourceFile;
  /** File name in lower case, without compression suffix. */
  readonly name: string;
  /** The first physical lines, and the text that they are part of. */
  readonly lines: readonly string[];
  readonly start: string;
  /** The first non-empty line as an object, from JSON or (`loose`) a Python literal. */
  readonly object: Readonly<Record<string, unknown>> | undefined;
  readonly loose: boolean;
  /** The first objects, where a record is not a line: a JSON array, or objects over several lines each. */
  readonly stream: readonly Readonly<Record<string, unknown>>[] | undefined;
  readonly parquet: boolean;
}

/** What metadata says about one user or item. */
export interface Description {
  readonly kind: "user" | "item";
  readonly id: string;
  readonly title: string | null;
  readonly text: string | null;
}

/**
 * How the records of a metadata file come, and what each of them says; `undefined` where a record is not of the format.
 */
export interface MetadataShape {
  readonly records:
    | { readonly kind: "json" }
    | { readonly kind: "json-stream" }
    | { readonly kind: "json-map" }
    | {
        readonly kind: "lines";
        readonly separator: string;
        readonly names: readonly string[];
        readonly skip: number;
        readonly encoding?: "latin-1";
      }
    | ({ readonly kind: "csv" } & CsvShape)
    | { readonly kind: "parquet" };
  describe(record: Readonly<Record<string, unknown>>): Description | undefined;
}

export interface ReadContext {
  readonly engine: Engine;
  readonly probe: Probe;
  readonly columns: ColumnMapping | undefined;
  readonly metaColumns: MetaColumns | undefined;
  /** Whether the fields of a generic csv or tsv file may be quoted; the format's own rule if undefined. */
  readonly quote: Quote | undefined;
  /** The part of a given split that the file is. */
  readonly part?: GivenPart;
  /**
   * Tells the user of something that was decided; the options that decide otherwise are in backticks in the message.
   */
  warn(message: string, options: readonly string[]): void;
  /** What the reader's scanner found in the file, once all of it has been seen; undefined if it was shown nothing. */
  scan(): Promise<CsvScan | undefined>;
}

export interface Reader {
  readonly format: FormatName;
  /** One line for people: what the files are and where they come from. */
  readonly about: string;
  /** Whether the file is, with confidence, of this format. */
  recognises(probe: Probe): boolean;
  /** Whether the file is, with confidence, metadata of this format. */
  describes?(probe: Probe): boolean;
  /** What is to see every block of the file while it is loaded. */
  scanner?(context: ReadContext): CsvScanner;
  /** Appends the file's interactions to the `records` table. @throws CorpusError if the file is not of the format. */
  load(context: ReadContext): Promise<LoadedFile>;
  /** @throws CorpusError if the file is no metadata of this format. */
  metadata(context: ReadContext): Promise<MetadataShape>;
}
