// Reading a dataset directory: the manifest is checked first, the Parquet files are read on demand.
// One DuckDB thread, so that rows come in the order in which the file holds them.
import fs from "node:fs";
import path from "node:path";
import type { z } from "zod";
import { Engine, literal } from "../duckdb/engine.js";
import { parquetOf } from "../duckdb/files.js";
import { CorpusError, reasonOf } from "../errors.js";
import type { Csr } from "./csr.js";
import { sha256File } from "./hash.js";
import { DATA_FILES, MANIFEST_FILE, type Manifest, manifestSchema } from "./manifest.js";

/**
 * The parts of a split dataset. `cold-test` are the interactions with cold items, which are in no other part; it is
 * empty where the dataset was prepared without `holdOutItems`.
 */
export type Split = "train" | "validation" | "test" | "cold-test";

/** The parts that a given split can have. */
export type GivenPart = Exclude<Split, "cold-test">;

/** One review of a training interaction. */
export interface TrainReview {
  /** Index in `[0, users)`. */
  readonly user: number;
  /** Index in `[0, items)`. */
  readonly item: number;
  readonly text: string;
}

export interface OpenOptions {
  /**
   * What is compared with the manifest besides sizes: "full" hashes every file; "auto" (default) hashes files up to 256
   * MiB in all and compares only sizes beyond that.
   */
  readonly verify?: "auto" | "full";
}

const HASHED_WHEN_AUTO = 256 * 2 ** 20;

/**
 * A prepared dataset on disk. User `u` is `<user_u>`, item `j` is `<item_j>`: indices run from 0 and are the same on
 * every machine.
 *
 * @example
 * const dataset = await Dataset.open("beauty");
 * const train = await dataset.interactions("train");
 * dataset.close();
 */
export class Dataset {
  /** Number of users I and of items J. */
  readonly users: number;
  readonly items: number;
  private engine: Promise<Engine> | undefined;
  private closed = false;

  private constructor(
    readonly directory: string,
    readonly manifest: Manifest,
  ) {
    this.users = manifest.users;
    this.items = manifest.items;
  }

  /**
   * Opens a directory that `prepare` or `writeDataset` wrote.
   * @throws CorpusError if it is no dataset, its manifest is damaged or of another version, or a file differs from what
   *   the manifest says.
   */
  static async open(directory: string, { verify = "auto" }: OpenOptions = {}): Promise<Dataset> {
    const manifest = readManifest(directory);
    let total = 0;
    for (const name of DATA_FILES) total += checkSize(directory, name, manifest.files[name].bytes);
    if (verify === "full" || total <= HASHED_WHEN_AUTO) {
      for (const name of DATA_FILES) {
        const found = await sha256File(path.join(directory, name));
        if (found !== manifest.files[name].sha256) {
          throw new CorpusError(
            `${path.join(directory, name)} has SHA-256 ${found}, but the manifest says ` +
              `${manifest.files[name].sha256}: the file was changed or damaged. Prepare the dataset again.`,
          );
        }
      }
    }
    return new Dataset(directory, manifest);
  }

  /**
   * Items of each user in one split, [I, J]; within a user by time where the input has times, else by item index.
   */
  async interactions(split: Split): Promise<Csr> {
    const n = split === "cold-test" ? (this.manifest.coldTest ?? 0) : this.manifest[split];
    const indptr = new Int32Array(this.users + 1);
    const indices = new Int32Array(n);
    let row = 0;
    let filled = 0;
    const file = this.file("interactions.parquet");
    for await (const chunk of this.chunks(`SELECT "user", item FROM ${file} WHERE split = ${literal(split)}`)) {
      const users = chunk.getColumnVector(0);
      const items = chunk.getColumnVector(1);
      for (let i = 0; i < chunk.rowCount; i++) {
        const user = this.index(users.getItem(i), this.users, "user");
        if (user < row) throw this.damaged("interactions.parquet", "is not sorted by user");
        while (row < user) indptr[++row] = filled;
        if (filled === n) throw this.damaged("interactions.parquet", `has more than the ${n} ${split} interactions`);
        indices[filled++] = this.index(items.getItem(i), this.items, "item");
      }
    }
    if (filled !== n) throw this.damaged("interactions.parquet", `has ${filled} instead of ${n} ${split} interactions`);
    while (row < this.users) indptr[++row] = filled;
    return { rows: this.users, columns: this.items, indptr, indices };
  }

  /** The input's own user ids, by index. */
  rawUserIds(): Promise<string[]> {
    return this.requiredColumn("users.parquet", "raw_id", this.users);
  }

  /** The input's own item ids, by index. */
  rawItemIds(): Promise<string[]> {
    return this.requiredColumn("items.parquet", "raw_id", this.items);
  }

  /** What describes each item (x_j: title, brand, categories, description, …), or null. */
  itemTexts(): Promise<(string | null)[]> {
    return this.column("items.parquet", "text", this.items);
  }

  itemTitles(): Promise<(string | null)[]> {
    return this.column("items.parquet", "title", this.items);
  }

  /**
   * Cold items, ascending: held out of training and validation entirely. None where the dataset was prepared without
   * `holdOutItems`.
   */
  async coldItems(): Promise<Int32Array> {
    const { coldItems } = this.manifest;
    if (coldItems === undefined) return new Int32Array();
    const cold: number[] = [];
    for await (const chunk of this.chunks(`SELECT item FROM ${this.file("items.parquet")} WHERE cold`)) {
      for (const item of chunk.getColumnValues(0)) cold.push(this.index(item, this.items, "item"));
    }
    if (cold.length !== coldItems.items)
      throw this.damaged("items.parquet", `has ${cold.length} instead of ${coldItems.items} cold items`);
    return Int32Array.from(cold).sort();
  }

  /** What describes each user (x_i), or null. */
  userTexts(): Promise<(string | null)[]> {
    return this.column("users.parquet", "text", this.users);
  }

  /**
   * Streams the reviews of *training* interactions (x_ij) by user, then in the order of `interactions("train")`, in
   * bounded memory. The text of validation and test interactions is never read.
   */
  async *trainReviews(): AsyncGenerator<TrainReview> {
    const sql =
      `SELECT "user", item, "text" FROM ${this.file("interactions.parquet")} WHERE split = 'train' AND "text" IS ` +
      "NOT NULL";
    for await (const chunk of this.chunks(sql)) {
      const [users, items, texts] = [0, 1, 2].map((column) => chunk.getColumnVector(column));
      for (let i = 0; i < chunk.rowCount; i++) {
        yield {
          user: this.index(users!.getItem(i), this.users, "user"),
          item: this.index(items!.getItem(i), this.items, "item"),
          text: String(texts!.getItem(i)),
        };
      }
    }
  }

  /** Frees what the dataset holds open. Calls after this throw. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    // Whoever asked for data has the error of an engine that did not open.
    this.engine?.then((engine) => engine.close()).catch(() => undefined);
  }

  private file(name: (typeof DATA_FILES)[number]): string {
    return parquetOf(path.join(this.directory, name));
  }

  private async *chunks(sql: string): ReturnType<Engine["chunks"]> {
    if (this.closed) throw new Error("this dataset was closed: open it again");
    this.engine ??= Engine.open({ threads: 1 });
    const engine = await this.engine;
    try {
      yield* engine.chunks(sql);
    } catch (error) {
      throw new CorpusError(`${this.directory} cannot be read: ${firstLine(error)}. Prepare the dataset again.`);
    }
  }

  private async column(name: (typeof DATA_FILES)[number], column: string, size: number): Promise<(string | null)[]> {
    const values: (string | null)[] = [];
    for await (const chunk of this.chunks(`SELECT "${column}" FROM ${this.file(name)}`)) {
      for (const value of chunk.getColumnValues(0)) values.push(value === null ? null : String(value));
    }
    if (values.length !== size) throw this.damaged(name, `has ${values.length} rows instead of ${size}`);
    return values;
  }

  private async requiredColumn(name: (typeof DATA_FILES)[number], column: string, size: number): Promise<string[]> {
    return (await this.column(name, column, size)).map((value, index) => {
      if (value === null) throw this.damaged(name, `has no ${column} in row ${index}`);
      return value;
    });
  }

  private index(value: unknown, size: number, what: string): number {
    if (typeof value !== "number" || value < 0 || value >= size) {
      throw this.damaged("interactions.parquet", `names ${what} ${String(value)}, but there are ${size} ${what}s`);
    }
    return value;
  }

  private damaged(name: string, what: string): CorpusError {
    return new CorpusError(`${path.join(this.directory, name)} ${what}: it is damaged. Prepare the dataset again.`);
  }
}

/** Reads and checks `manifest.json` alone. */
export function readManifest(directory: string): Manifest {
  const file = path.join(directory, MANIFEST_FILE);
  let text: string;
  try {
    text = fs.readFileSync(file, "utf8");
  } catch (error) {
    throw new CorpusError(
      `${directory} is not a prepared dataset: its ${MANIFEST_FILE} cannot be read (${errorCode(error)}). ` +
        "`cllm4rec prepare` writes one.",
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new CorpusError(`${file} is not JSON (${firstLine(error)}): it is damaged. Prepare the dataset again.`);
  }
  const parsed = manifestSchema.safeParse(json);
  if (!parsed.success)
    throw new CorpusError(`${file} is not a dataset manifest of version 1: ${firstIssue(parsed.error)}.`);
  const manifest = parsed.data;
  const { train, validation, test, coldTest } = manifest;
  if (train + validation + test + (coldTest ?? 0) !== manifest.interactions) {
    const parts = [train, validation, test, ...(coldTest === undefined ? [] : [coldTest])];
    throw new CorpusError(`${file} is damaged: ${parts.join(" + ")} interactions are not ${manifest.interactions}.`);
  }
  if ((coldTest === undefined) !== (manifest.coldItems === undefined))
    throw new CorpusError(`${file} is damaged: of coldTest and coldItems only one is there.`);
  return manifest;
}

function checkSize(directory: string, name: string, expected: number): number {
  const file = path.join(directory, name);
  let found: number;
  try {
    found = fs.statSync(file).size;
  } catch (error) {
    throw new CorpusError(
      `${file} is missing (${errorCode(error)}), but the manifest lists it. Prepare the dataset again.`,
    );
  }
  if (found !== expected) {
    throw new CorpusError(`${file} has ${found} bytes, but the manifest says ${expected}. Prepare the dataset again.`);
  }
  return found;
}

function firstIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  if (!issue) return "unknown problem";
  return `${issue.path.length > 0 ? `\`${issue.path.join(".")}\`: ` : ""}${issue.message}`;
}

function firstLine(error: unknown): string {
  return reasonOf(error).split("\n")[0] ?? "";
}

function errorCode(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}
