// From input files to the `records` table: format, integrity, counts, and what is malformed.
import fs from "node:fs";
import path from "node:path";
import type { GivenPart } from "../dataset/dataset.js";
import type { Manifest } from "../dataset/manifest.js";
import type { Engine } from "../duckdb/engine.js";
import { CorpusError, CorpusUsageError } from "../errors.js";
import { checkFile, type FileFacts } from "../readers/archive.js";
import type { CsvScan } from "../readers/csv-scan.js";
import { GENERIC_FORMATS, genericReader } from "../readers/generic.js";
import { findGivenSplit, type GivenSplit } from "../readers/given-split.js";
import type { FormatName, Probe, ReadContext, Reader } from "../readers/reader.js";
import { FLAG, type LoadedFile, PROBLEM } from "../readers/records.js";
import { probeFile, readerFor, resolveFolder, unreadable } from "../readers/registry.js";
import { unifyIds } from "./float-ids.js";
import type { PartRange } from "./given.js";
import type { PrepareOptions } from "./options.js";

export type Provenance = Manifest["provenance"]["inputs"][number];

/** The inputs with their one format; `matrices` is the folder where the input is one. */
export interface ResolvedInputs {
  readonly format: FormatName;
  readonly matrices: string | undefined;
  readonly probes: readonly Probe[];
  readonly reader: Reader | undefined;
  /** Where the inputs are the files of a given split: the part of each of the probes. */
  readonly parts?: readonly GivenPart[];
}

/** Finds the files and the format that all of them share. @throws CorpusError, CorpusUsageError */
export async function resolveInputs(engine: Engine, options: PrepareOptions): Promise<ResolvedInputs> {
  const { inputs, format, columns, encoding, onEvent } = options;
  const probes: Probe[] = [];
  for (const input of inputs) if (!fs.existsSync(input)) throw new CorpusError(`${input} does not exist`);
  const given = findGivenSplit(inputs, format);
  if (given) return resolveGiven(engine, given, options);
  for (const input of inputs) {
    let file = input;
    if (fs.statSync(input).isDirectory()) {
      const resolved = resolveFolder(input, format);
      if (resolved.matrices) {
        if (inputs.length > 1)
          throw new CorpusUsageError("a folder of matrices is a whole dataset: give it as the only input");
        onEvent?.({ type: "format", format: "matrices", detected: format === undefined });
        return { format: "matrices", matrices: input, probes: [], reader: undefined };
      }
      file = resolved.file;
    } else if (format === "matrices") {
      throw new CorpusUsageError(`${input} is a file: the format matrices takes the folder that holds the .npz files`);
    }
    const probe = await probeFile(engine, file, encoding);
    // What a compressed file holds is known once all of it has been read.
    if (probe.source.compression === "none" && !probe.parquet && probe.start.trim() === "")
      throw new CorpusError(`${file} is empty: there are no records.`);
    probes.push(probe);
  }
  const [first, ...others] = probes;
  if (!first) throw new CorpusUsageError("at least one input is expected");
  // With a column mapping only the generic readers come into question.
  const named = format ?? (columns ? genericReader(first)?.format : undefined);
  const reader = readerFor(first, named);
  for (const probe of named === undefined ? others : []) {
    const other = readerFor(probe, undefined);
    if (other !== reader) {
      throw new CorpusError(
        `${first.source.path} looks like ${reader.format}, ${probe.source.path} like ${other.format}: all inputs ` +
          "share one format. Name it with `format`, or give metadata as `meta`.",
        { options: ["format", "meta"] },
      );
    }
  }
  if (columns && !GENERIC_FORMATS.includes(reader.format)) {
    throw new CorpusUsageError(`a column mapping goes with ${GENERIC_FORMATS.join(", ")}, not with ${reader.format}`);
  }
  onEvent?.({ type: "format", format: reader.format, detected: format === undefined });
  return { format: reader.format, matrices: undefined, probes, reader };
}

async function resolveGiven(
  engine: Engine,
  { format, files: { train, validation, test } }: GivenSplit,
  { format: named, columns, encoding, onEvent }: PrepareOptions,
): Promise<ResolvedInputs> {
  if (columns) throw new CorpusUsageError(`a column mapping does not go with the format ${format}`);
  const probes = [await probeFile(engine, train, encoding)];
  if (validation !== undefined) probes.push(await probeFile(engine, validation, encoding));
  probes.push(await probeFile(engine, test, encoding));
  onEvent?.({ type: "format", format, detected: named === undefined });
  const parts: GivenPart[] = validation === undefined ? ["train", "test"] : ["train", "validation", "test"];
  return { format, matrices: undefined, probes, reader: readerFor(probes[0]!, format), parts };
}

export interface ReadResult {
  readonly provenance: readonly Provenance[];
  readonly records: number;
  readonly malformed: number;
  /** Where the rows of each part of a given split are; empty otherwise. */
  readonly ranges: readonly PartRange[];
  /** Records in which halves of surrogate pairs were replaced. */
  readonly mended: number;
  /**
   * The rating above which interactions are kept where nobody says so: 3 (the paper), or 0 where ratings are true and
   * false.
   */
  readonly defaultRating: number;
}

type ReadOptions = Pick<PrepareOptions, "columns" | "quote" | "minRating" | "signal" | "onEvent">;

/**
 * Loads every input into `records`.
 * @throws CorpusError if a file is damaged or not of the format, or more than the accepted share of records is
 *   malformed.
 */
export async function readInputs(
  engine: Engine,
  { probes, reader, parts }: ResolvedInputs,
  options: ReadOptions,
  maxMalformed: number,
  temporary: string,
): Promise<ReadResult> {
  const provenance: Provenance[] = [];
  let records = 0;
  let malformed = 0;
  let mended = 0;
  let boolean = 0;
  let firstExample: string | undefined;
  const ranges: PartRange[] = [];
  for (const [index, probe] of probes.entries()) {
    const { source } = probe;
    const part = parts?.[index];
    options.onEvent?.({ type: "stage", stage: "read", file: source.path });
    const { loaded, facts } = await loadChecked(
      engine,
      probe,
      reader!,
      { ...options, ...(part && { part }) },
      temporary,
    );
    if (part) ranges.push({ part, start: loaded.start, end: loaded.end });
    provenance.push({ name: path.basename(source.path), role: "input", bytes: facts.bytes, sha256: facts.sha256 });
    // (Three bytes: a byte-order mark alone is a line to one and none to the other.)
    if (facts.lines !== undefined && loaded.lines !== undefined && facts.lines !== loaded.lines && facts.bytes > 3) {
      throw new Error(
        `${source.path} has ${facts.lines} lines, but ${loaded.lines} were read: this is a bug in the reader; ` +
          "please report it",
      );
    }
    const counts = await engine.counts(
      `SELECT count(*) FILTER (problem <> ${PROBLEM.blank}) AS records, count(*) FILTER (problem > ${PROBLEM.blank})
        AS malformed,
       count(*) FILTER (flags & ${FLAG.mended} <> 0) AS mended, count(*) FILTER (flags & ${FLAG.boolean} <> 0) AS
         boolean
       FROM records WHERE rowid >= ${loaded.start} AND rowid < ${loaded.end}`,
    );
    records += (counts.records ?? 0) + loaded.rejected.length;
    malformed += (counts.malformed ?? 0) + loaded.rejected.length;
    mended += counts.mended ?? 0;
    boolean += counts.boolean ?? 0;
    warnMended(options.onEvent, source.path, counts.mended ?? 0);
    if ((counts.malformed ?? 0) + loaded.rejected.length > 0) {
      for (const example of await findExamples(engine, loaded)) {
        options.onEvent?.({ type: "malformed", file: source.path, ...example });
        firstExample ??=
          `${source.path}, ${example.place}, ` +
          `${example.reason}${example.snippet === "" ? "" : `: ${example.snippet}`}`;
      }
    }
  }
  fs.rmSync(path.join(temporary, UNPACKED), { force: true });
  if (malformed > 0 && (malformed > maxMalformed * records || malformed === records)) {
    throw new CorpusError(
      `${malformed} of ${records} records are malformed, more than the accepted ` +
        `${+(maxMalformed * 100).toFixed(2)}%. The first: ${firstExample}. Correct the input, name the right ` +
        `\`format\`, or raise \`maxMalformed\`.${quoteAdvice(reader!, options, firstExample ?? "")}`,
      { options: ["format", "maxMalformed", "quote"] },
    );
  }
  if (records === 0)
    throw new CorpusError(`${probes.map(({ source }) => source.path).join(", ")}: there are no records.`);
  await unifyIds(engine, options.onEvent);
  const standard = await defaultRating(engine, boolean, options);
  return { provenance, records, malformed, ranges, mended, defaultRating: standard };
}

/** What else may help where fields and quotes are at odds. */
function quoteAdvice({ format }: Reader, { quote }: ReadOptions, example: string): string {
  if (format === "csv" && quote !== "none" && example.includes("quote"))
    return ' `quote`: "none" takes quotes for text.';
  if (format === "tsv" && quote !== "double" && example.includes('"'))
    return ' `quote`: "double" lets fields be quoted.';
  return "";
}

/** Tells of halves of surrogate pairs in the texts of a file. */
export function warnMended(onEvent: PrepareOptions["onEvent"], file: string, mended: number): void {
  if (mended === 0) return;
  onEvent?.({
    type: "warning",
    message:
      `${file}: ${mended} ${mended === 1 ? "record holds" : "records hold"} half of a surrogate pair (such as ` +
      "\\ud83d alone), which is no character; U+FFFD replaces it",
  });
}

async function defaultRating(engine: Engine, boolean: number, { minRating, onEvent }: ReadOptions): Promise<number> {
  if (boolean === 0) return 3;
  const { rated = 0 } = await engine.counts("SELECT count(rating) AS rated FROM records");
  if (boolean < rated) return 3;
  if (minRating === undefined) {
    const message =
      "the ratings are true and false: they count as 1 and 0, and those above 0 stay. `minRating` says otherwise";
    onEvent?.({ type: "warning", message, options: ["minRating"] });
  }
  return 0;
}

async function loadChecked(
  engine: Engine,
  probe: Probe,
  reader: Reader,
  { columns, quote, part, signal, onEvent }: ReadOptions & { readonly part?: GivenPart },
  temporary: string,
): Promise<{ facts: FileFacts; loaded: LoadedFile }> {
  const { source } = probe;
  let scan: () => Promise<CsvScan | undefined> = async () => undefined;
  const context: ReadContext = {
    ...{ engine, probe, columns, quote, metaColumns: undefined, ...(part && { part }) },
    warn: (message, options) => onEvent?.({ type: "warning", message, options }),
    scan: () => scan(),
  };
  try {
    const scanner = source.compression === "zstd" ? undefined : reader.scanner?.(context);
    const observe = scanner && ((block: Buffer) => scanner.push(block));
    if (source.compression === "gzip" && fs.statSync(source.path).size <= UNPACKED_BYTES) {
      // Node unpacks twice as fast as DuckDB, and DuckDB reads plain files in parallel.
      const unpacked = path.join(temporary, UNPACKED);
      const facts = await checkFile(source.path, source.compression, { signal, unpackTo: unpacked, observe });
      scan = async () => scanner?.end();
      const loaded = await reader.load({ ...context, probe: { ...probe, source: { ...source, unpacked } } });
      return { facts, loaded };
    }
    // The integrity check reads on Node's threads while DuckDB reads on its own; its verdict on a damaged archive comes
    // first.
    const checked = checkFile(source.path, source.compression, { signal, observe });
    scan = () => checked.then(() => scanner?.end());
    const [facts, loaded] = await Promise.allSettled([checked, reader.load(context)]);
    signal?.throwIfAborted();
    if (facts.status === "rejected") throw facts.reason;
    if (loaded.status === "rejected") throw loaded.reason;
    return { facts: facts.value, loaded: loaded.value };
  } catch (error) {
    signal?.throwIfAborted();
    throw unreadable(source.path, error);
  }
}

/** Name of the unpacked copy of the file that is being read. */
const UNPACKED = "unpacked";

/** Compressed size up to which a gzip file is unpacked beside the output before it is read. */
const UNPACKED_BYTES = 2 ** 30;

const EXAMPLES = 3;

const REASONS: Readonly<Record<number, string>> = {
  [PROBLEM.broken]: "is not of the format",
  [PROBLEM.user]: "has no user id",
  [PROBLEM.item]: "has no item id",
  [PROBLEM.rating]: "has a rating that is not a number",
  [PROBLEM.timestamp]: "has a time that is neither a number nor a date",
  [PROBLEM.swallowed]: "is swallowed by the quote that an earlier line opens",
};

async function findExamples(
  engine: Engine,
  loaded: LoadedFile,
): Promise<{ place: string; reason: string; snippet: string }[]> {
  const rows = await engine.rows(
    `SELECT rowid::DOUBLE AS "row", problem::INTEGER AS problem FROM records
     WHERE problem > ${PROBLEM.blank} AND rowid >= ${loaded.start} AND rowid < ${loaded.end}
     ORDER BY problem = ${PROBLEM.swallowed}, rowid LIMIT ${EXAMPLES}`,
  );
  const places = await loaded.locate(rows.map(({ row }) => Number(row) - loaded.start));
  const examples = rows.map(({ problem }, k) => ({
    reason: REASONS[Number(problem)] ?? "is malformed",
    ...places[k]!,
  }));
  const first = loaded.rejected.slice(0, EXAMPLES);
  const lines = first.map(({ line }) => line);
  const located = (await loaded.locateRejected?.(lines)) ?? lines;
  const rejected = first.map(({ reason }, k) => ({ place: `line ${located[k]}`, reason, snippet: "" }));
  return [...examples, ...rejected].slice(0, EXAMPLES);
}
