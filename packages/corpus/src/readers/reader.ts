// What a reader of one format is: how it recognises its files, how it loads interactions, and how it describes items and users.
import type { Split } from "../dataset/dataset.js";
import type { Engine } from "../duckdb/engine.js";
import type { LoadedFile } from "./records.js";
import type { SourceFile } from "./source.js";

/** Every format by the name that `format` and `--format` take. */
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
  "parquet",
] as const;
export type FormatName = (typeof FORMATS)[number];

/** Which column of a generic file (csv, tsv, jsonl, parquet) is what. */
export interface ColumnMapping {
  readonly user: string;
  readonly item: string;
  readonly rating?: string;
  readonly timestamp?: string;
  readonly text?: string;
}

/** The start of a file, by which formats are told apart. */
export interface Probe {
  readonly source: SourceFile;
  /** File name in lower case, without compression suffix. */
  readonly name: string;
  /** The first physical lines. */
  readonly lines: readonly string[];
  /** The first non-empty line as an object, from JSON or (`loose`) a Python literal. */
  readonly object: Readonly<Record<string, unknown>> | undefined;
  readonly loose: boolean;
  readonly parquet: boolean;
}

/** What metadata says about one user or item. */
export interface Description {
  readonly kind: "user" | "item";
  readonly id: string;
  readonly title: string | null;
  readonly text: string | null;
}

/** How the records of a metadata file come, and what each of them says; `undefined` where a record is not of the format. */
export interface MetadataShape {
  readonly records:
    | { readonly kind: "json" }
    | { readonly kind: "json-map" }
    | {
        readonly kind: "lines";
        readonly separator: string;
        readonly names: readonly string[];
        readonly skip: number;
        readonly encoding?: "latin-1";
      }
    | { readonly kind: "csv"; readonly delimiter: string; readonly names: readonly string[] }
    | { readonly kind: "parquet" };
  describe(record: Readonly<Record<string, unknown>>): Description | undefined;
}

export interface ReadContext {
  readonly engine: Engine;
  readonly probe: Probe;
  readonly columns: ColumnMapping | undefined;
  readonly metaColumns: Readonly<Record<string, string>> | undefined;
  /** The part of a given split that the file is. */
  readonly part?: Split;
}

export interface Reader {
  readonly format: FormatName;
  /** One line for people: what the files are and where they come from. */
  readonly about: string;
  /** Whether the file is, with confidence, of this format. */
  recognises(probe: Probe): boolean;
  /** Appends the file's interactions to the `records` table. @throws CorpusError if the file is not of the format. */
  load(context: ReadContext): Promise<LoadedFile>;
  /** @throws CorpusError if the file is no metadata of this format. */
  metadata(context: ReadContext): Promise<MetadataShape>;
}
