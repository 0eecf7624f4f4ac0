// Hostile and merely unusual files against prepare(): whatever a file is, its records are read, or counted and named,
// or it is refused in one line. Prints the outcome of every kind and the sums; exits with 1 if anything was lost in
// silence.
//   node scripts/hostile-files.mjs [--mutations 300] [--seed 1]      (after a build)
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";
import zlib from "node:zlib";
import { CorpusError, prepare } from "@cllm4rec/corpus";
import { DuckDBInstance } from "@duckdb/node-api";

const { values: flags } = parseArgs({
  options: { mutations: { type: "string", default: "300" }, seed: { type: "string", default: "1" } },
});
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "hostile-"));

/** @param {number} n @param {(k: number) => string} record */
const rows = (n, record) => Array.from({ length: n }, (_, k) => record(k));
const N = 40;
const ids = (/** @type {number} */ k) => ({ reviewerID: `u${k % 5}`, asin: `i${k}` });
const line = (/** @type {number} */ k) => `u${k % 5},i${k},4,${1000 + k},text ${k}`;
const HEADER = "user,item,rating,timestamp,text";
/** A CSV of N records, of which some lines are others. */
const csv = (/** @type {Record<number, string>} */ change = {}, header = HEADER) =>
  `${[header, ...rows(N, (k) => change[k] ?? line(k))].join("\n")}\n`;
const tsv = (/** @type {Record<number, string>} */ change = {}) =>
  csv(change).replaceAll("\t", " ").replaceAll(",", "\t");
const object = (/** @type {number} */ k) => ({
  user: `u${k % 5}`,
  item: `i${k}`,
  rating: 4,
  timestamp: 1000 + k,
  text: `text ${k}`,
});
const jsonl = (/** @type {Record<number, string>} */ change = {}) =>
  `${rows(N, (k) => change[k] ?? JSON.stringify(object(k))).join("\n")}\n`;
const latin1 = (/** @type {string} */ text) => Buffer.from(text, "latin1");

async function parquet(/** @type {string} */ sql) {
  const file = path.join(folder, "made.parquet");
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`);
  connection.closeSync();
  return fs.readFileSync(file);
}
const RANGE = `SELECT 'u' || (k % 5) AS "user", 'i' || k AS item, 4 AS rating, 1000 + k AS "timestamp"
  FROM range(${N}) r(k)`;

/**
 * What must become of each file: records and malformed ones, or the error. Where nothing is malformed, everything is
 * kept.
 * @type {[string, string, string | Buffer, { records?: number, malformed?: number, error?: RegExp, [option: string]:
 *   unknown }][]}
 */
const KINDS = [
  ["CSV, nothing wrong", "a.csv", csv(), { records: N }],
  ["CSV, an unclosed quote at the end", "a.csv", csv({ [N - 1]: 'u,i,4,1,"oops' }), { records: N, malformed: 1 }],
  [
    "CSV, an unclosed quote ten lines before the end",
    "a.csv",
    csv({ [N - 10]: 'u,i,4,1,"oops' }),
    { records: N, malformed: 10 },
  ],
  [
    "CSV, an unclosed quote in the first record",
    "a.csv",
    csv({ 0: '"u,i,4,1,oops' }),
    { error: /40 of 40 .*line 2, opens a quote that is never closed/ },
  ],
  [
    "CSV, open and close ten records apart",
    "a.csv",
    csv({ 10: 'u,x,4,1,"open', 20: 'u,y,4,1,close"' }),
    { records: N, malformed: 11 },
  ],
  [
    "CSV, a quote that closes in another field",
    "a.csv",
    csv({ 10: 'u,x,4,1,"open', 12: 'u,y,4,1,"fine"' }),
    { records: N, malformed: 3 },
  ],
  ["CSV, text after a closing quote", "a.csv", csv({ 10: 'u,x,4,1,"a"b' }), { records: N, malformed: 1 }],
  ["CSV, quotes as text", "a.csv", csv({ 10: 'u,x,4,1,"open' }), { records: N, quote: "none" }],
  ["CSV, a quote inside a field", "a.csv", csv({ 10: 'u,x,4,1,5" wide' }), { records: N }],
  ["CSV, texts of several lines", "a.csv", csv({ 10: 'u,x,4,1,"two\nlines, and\n\ncommas"' }), { records: N }],
  ["CSV, doubled quotes and spaces around quotes", "a.csv", csv({ 10: 'u,x,4,1, "a ""b""" ' }), { records: N }],
  ["CSV, too few and too many fields", "a.csv", csv({ 10: "u,x", 20: "u,x,4,1,t,t" }), { records: N, malformed: 2 }],
  ["CSV, blank lines", "a.csv", csv({ 10: `\n\n${line(10)}\n` }), { records: N }],
  ["CSV, no line end at the end", "a.csv", csv().trimEnd(), { records: N }],
  ["CSV, CRLF", "a.csv", csv().replaceAll("\n", "\r\n"), { records: N }],
  ["CSV, CR alone", "a.csv", csv().replaceAll("\n", "\r"), { error: /line ends of CR alone/ }],
  ["CSV, mixed line ends", "a.csv", csv({ 10: `${line(10)}\r` }), { error: /line ends of more than one kind/ }],
  ["CSV, a byte-order mark", "a.csv", `\ufeff${csv()}`, { records: N }],
  ["CSV, UTF-16", "a.csv", Buffer.from(`\ufeff${csv()}`, "utf16le"), { error: /UTF-16/ }],
  ["CSV, invalid UTF-8 in a line", "a.csv", latin1(csv({ 10: "u,x,4,1,\xff\xfe" })), { records: N, malformed: 1 }],
  ["CSV, Latin-1", "a.csv", latin1(csv({ 10: "u,x,4,1,\xe9" })), { records: N, encoding: "latin-1" }],
  ["CSV, NUL bytes", "a.csv", csv({ 10: "u,x,4,1,a\0b" }), { records: N }],
  ["CSV, semicolons", "a.csv", csv().replaceAll(",", ";"), { records: N }],
  ["CSV, pandas' index", "a.csv", `,${HEADER}\n${rows(N, (k) => `${k},${line(k)}`).join("\n")}\n`, { records: N }],
  [
    "CSV, no header, positions",
    "a.csv",
    `${rows(N, line).join("\n")}\n`,
    { records: N, columns: { user: "1", item: "2", rating: "3" } },
  ],
  [
    "CSV, positions although it has a header",
    "a.csv",
    csv(),
    { records: N, columns: { user: "1", item: "2", rating: "3" } },
  ],
  ["CSV, no header, no positions", "a.csv", `${rows(N, line).join("\n")}\n`, { error: /not clear|header/ }],
  ["CSV, the header alone", "a.csv", `${HEADER}\n`, { error: /there are no records/ }],
  ["CSV, one name twice", "a.csv", csv({}, "user,item,rating,timestamp,User"), { error: /"User" comes twice/ }],
  [
    "CSV, one column for user and item",
    "a.csv",
    csv(),
    { columns: { user: "user", item: "user" }, error: /for user and for item/ },
  ],
  [
    "CSV, a column that is not there",
    "a.csv",
    csv(),
    { columns: { user: "user", item: "sku" }, error: /no column "sku"/ },
  ],
  [
    "CSV, ratings that are no numbers",
    "a.csv",
    csv({ 10: "u,x,four,1,t", 11: "u,y,inf,1,t" }),
    { records: N, malformed: 2 },
  ],
  ["CSV, true and false as ratings", "a.csv", csv().replaceAll(",4,", ",true,"), { records: N }],
  [
    "CSV, times with offsets and without",
    "a.csv",
    csv({ 10: "u,x,4,2020-01-01T10:00:00+02:00,t", 11: "u,y,4,2020-01-01,t" }),
    { records: N },
  ],
  ["CSV, times that are none", "a.csv", csv({ 10: "u,x,4,yesterday,t" }), { records: N, malformed: 1 }],
  ["CSV, ids as floats", "a.csv", `user,item\n${rows(N, (k) => `${k % 5}.0,${k}.0`).join("\n")}\n`, { records: N }],
  ["CSV, no user ids", "a.csv", csv({ 10: ",x,4,1,t", 11: "  ,y,4,1,t" }), { records: N, malformed: 2 }],
  ["CSV in gzip", "a.csv.gz", zlib.gzipSync(csv()), { records: N }],
  ["CSV in gzip, cut", "a.csv.gz", zlib.gzipSync(csv()).subarray(0, 150), { error: /damaged or truncated gzip/ }],
  [
    "CSV in gzip, an unclosed quote",
    "a.csv.gz",
    zlib.gzipSync(csv({ [N - 2]: 'u,i,4,1,"oops' })),
    { records: N, malformed: 2 },
  ],
  [
    "CSV named a[1].csv beside a1.csv",
    "a[1].csv",
    csv(),
    { records: N, beside: ["a1.csv", `${HEADER}\nwrong,w,4,1,t\n`] },
  ],
  ["CSV named r*.csv beside rx.csv", "r*.csv", csv(), { records: N, beside: ["rx.csv", `${HEADER}\nwrong,w,4,1,t\n`] }],
  ["CSV in a folder user=7", "user=7/a.csv", csv(), { records: N }],
  ["CSV as .txt", "a.txt", csv(), { records: N }],
  ["TSV, raw quotes", "a.tsv", tsv({ 10: 'u,x,4,1,"open', 20: 'u,y,4,1,close"' }), { records: N }],
  ["TSV, quoted on request", "a.tsv", tsv({ 10: 'u,x,4,1,"two\nlines"' }), { records: N, quote: "double" }],
  [
    "TSV, quoted although nobody said so",
    "a.tsv",
    tsv({ 10: 'u,x,4,1,"two\nlines"' }),
    { records: N + 1, malformed: 1 },
  ],
  ["TSV as .dat", "a.dat", tsv(), { records: N }],
  ["JSON lines, nothing wrong", "a.jsonl", jsonl(), { records: N }],
  ["JSON lines, one cut in the middle", "a.jsonl", jsonl({ 10: '{"user": "u", "it' }), { records: N, malformed: 1 }],
  ["JSON lines, the first is broken", "a.jsonl", jsonl({ 0: "{broken" }), { records: N, malformed: 1 }],
  [
    "JSON lines, no object in a line",
    "a.jsonl",
    jsonl({ 10: "[1]", 11: "7", 12: "null" }),
    { records: N, malformed: 3 },
  ],
  [
    "JSON lines, half a surrogate pair",
    "a.jsonl",
    jsonl({ 10: '{"user": "u", "item": "x", "text": "\\ud83d"}' }),
    { records: N },
  ],
  [
    "JSON lines, ids that are null or empty",
    "a.jsonl",
    jsonl({ 10: '{"user": null, "item": "x"}', 11: '{"user": "", "item": "x"}' }),
    { records: N, malformed: 2 },
  ],
  [
    "JSON lines, nested values",
    "a.jsonl",
    jsonl({ 10: '{"user": "u", "item": "x", "text": {"a": [1]}}' }),
    { records: N },
  ],
  [
    "JSON lines, a line of 17 MiB",
    "a.jsonl",
    jsonl({ 10: JSON.stringify({ ...object(10), text: "x".repeat(17 * 2 ** 20) }) }),
    { records: N, malformed: 1 },
  ],
  [
    "Python literals by column",
    "a.json",
    `${rows(N, (k) => `{u'who': 'u${k % 5}', 'what': ${k}}`).join("\n")}\n`,
    { records: N, columns: { user: "who", item: "what" } },
  ],
  [
    "JSON array on one line",
    "a.json",
    JSON.stringify(rows(N, (k) => JSON.stringify(object(k))).map((text) => JSON.parse(text))),
    { records: N },
  ],
  [
    "JSON array over lines, in gzip",
    "a.json.gz",
    zlib.gzipSync(
      JSON.stringify(
        Array.from({ length: N }, (_, k) => object(k)),
        null,
        2,
      ),
    ),
    { records: N },
  ],
  [
    "JSON objects over lines",
    "a.json",
    Array.from({ length: N }, (_, k) => JSON.stringify(object(k), null, 2)).join("\n"),
    { records: N },
  ],
  [
    "JSON array, cut",
    "a.json",
    JSON.stringify(
      Array.from({ length: N }, (_, k) => object(k)),
      null,
      1,
    ).slice(0, 900),
    { error: /line \d+: an object begins here and does not end/ },
  ],
  [
    "JSON array, one object that is none",
    "a.json",
    `[${rows(N, (k) => (k === 10 ? '{"user": u}' : JSON.stringify(object(k)))).join(",\n")}]`,
    { records: N, malformed: 1 },
  ],
  [
    "Amazon 2018, images first",
    "a.json",
    `${rows(N, (k) => JSON.stringify({ image: ["https://x/1.jpg"], overall: 5, ...ids(k) })).join("\n")}\n`,
    { records: N },
  ],
  ["Parquet, nothing wrong", "a.parquet", await parquet(RANGE), { records: N }],
  [
    "Parquet named a[1].parquet",
    "a[1].parquet",
    await parquet(RANGE),
    { records: N, beside: ["a1.parquet", "PAR1 not"] },
  ],
  [
    "Parquet, ids as doubles, one of them NaN",
    "a.parquet",
    await parquet(
      `SELECT CASE WHEN k = 3 THEN 'NaN'::DOUBLE ELSE k % 5 END AS "user", k::DOUBLE AS item FROM range(${N}) r(k)`,
    ),
    { records: N, malformed: 1 },
  ],
  [
    "Parquet, times with a zone",
    "a.parquet",
    await parquet(
      `SELECT 'u' AS "user", k AS item, TIMESTAMPTZ '2020-01-01 00:00:00+00' + INTERVAL (k) HOUR AS "timestamp" ` +
        `FROM range(${N}) r(k)`,
    ),
    { records: N },
  ],
  ["Parquet, cut", "a.parquet", (await parquet(RANGE)).subarray(0, 300), { error: /a\.parquet cannot be read/ }],
  [
    "RecBole, raw quotes and short lines",
    "a.inter",
    `user_id:token\titem_id:token\n${rows(N, (k) => (k === 9 ? "u" : `u${k % 5}\t"i${k}`)).join("\n")}\n`,
    { records: N, malformed: 1 },
  ],
  [
    "MovieLens, a short line",
    "ratings.dat",
    `${rows(N, (k) => (k === 30 ? "1::2" : `${k % 5}::${k}::4::${k}`)).join("\n")}\n`,
    { records: N, malformed: 1 },
  ],
  ["empty", "a.csv", "", { error: /is empty: there are no records/ }],
  ["blank lines alone", "a.jsonl", "\n\n \n", { error: /is empty/ }],
  ["zip", "a.csv", Buffer.from("PK\x03\x04....", "latin1"), { error: /is a zip archive/ }],
  ["bzip2", "a.bz2", Buffer.from("BZh91AY&SY", "latin1"), { error: /is a bzip2 file/ }],
  ["xz", "a.xz", Buffer.from("\xfd7zXZ\x00", "latin1"), { error: /xz file/ }],
  [
    "noise",
    "a.bin",
    Buffer.from(rows(4096, (k) => String.fromCharCode((k * 167 + (k >> 3)) & 255)).join(""), "latin1"),
    { error: /not recognised|cannot be read/ },
  ],
];

let outputs = 0;
/**
 * Prepares a file: what became of its records, or the one line of its error. Anything else is a failure of the package.
 */
async function outcome(/** @type {string} */ file, /** @type {object} */ options) {
  /** @type {string[]} */
  const named = [];
  try {
    const { records } = await prepare({
      ...{ core: 0, minRating: null, validationShare: 0, testShare: 0, maxMalformed: 0.5, ...options },
      inputs: [file],
      output: path.join(folder, `out-${++outputs}`),
      onEvent: (event) => event.type === "malformed" && named.push(`${event.place}, ${event.reason}`),
    });
    fs.rmSync(path.join(folder, `out-${outputs}`), { recursive: true });
    return { records, named, error: undefined };
  } catch (error) {
    if (!(error instanceof CorpusError) || error.message.includes("\n")) throw error;
    return { records: undefined, named, error: error.message };
  }
}

const sums = { whole: 0, counted: 0, refused: 0, wrong: 0 };
for (const [kind, name, content, expected] of KINDS) {
  const { records = undefined, malformed = 0, error: message, beside, ...options } = expected;
  const own = path.join(folder, "files");
  const file = path.join(own, name);
  fs.mkdirSync(path.dirname(file), { recursive: true });
  fs.writeFileSync(file, content);
  if (Array.isArray(beside)) fs.writeFileSync(path.join(own, beside[0]), beside[1]);
  const found = await outcome(file, options);
  const right =
    message !== undefined
      ? found.error !== undefined && message.test(found.error)
      : found.records?.records === records &&
        found.records?.malformed === malformed &&
        found.records.kept + found.records.duplicates === (records ?? 0) - malformed &&
        found.named.length === Math.min(3, malformed);
  sums[right ? (message ? "refused" : malformed > 0 ? "counted" : "whole") : "wrong"]++;
  const answer =
    found.error ??
    `${found.records?.records} records, ${found.records?.malformed} ` +
      `malformed${found.named.length > 0 ? `: ${found.named[0]}` : ""}`;
  console.log(`${right ? "ok   " : "WRONG"} ${kind.padEnd(50)} ${answer.replaceAll(folder, "").slice(0, 150)}`);
  fs.rmSync(own, { recursive: true });
}
console.log(
  `${KINDS.length} kinds: ${sums.whole} read whole, ${sums.counted} with what is malformed counted and named, ` +
    `${sums.refused} refused in one line, ${sums.wrong} wrong`,
);

/** xorshift32 */
let state = Number(flags.seed) || 1;
const random = (/** @type {number} */ below) => {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
};
/** Good files of line formats: the records that are named here are in them. */
const GOOD = /** @type {const} */ ([
  ["m.csv", csv({ 7: 'u,q7,4,1,"two, ""words"""' }), { format: "csv" }],
  ["m.tsv", tsv(), { format: "tsv" }],
  ["m.jsonl", jsonl(), { format: "jsonl" }],
  [
    "m.inter",
    `user_id:token\titem_id:token\n${rows(N, (k) => `u${k % 5}\ti${k}`).join("\n")}\n`,
    { format: "recbole" },
  ],
]);
const INSERTED = ['"', '"', '"', ",", "\t", "\n", "\\", "{", "}", "\0", "\x80", " ", "[", "'"];
const mutated = { accounted: 0, refused: 0, wrong: 0 };
for (let k = 0; k < Number(flags.mutations); k++) {
  const [name, text, options] = GOOD[random(GOOD.length)] ?? GOOD[0];
  let bytes = latin1(text);
  const body = text.indexOf("\n") + 1;
  for (let change = 1 + random(3); change > 0; change--) {
    const at = body + random(Math.max(1, bytes.length - body));
    const end = [at, at, at, at + 1, at + 1 + random(5)][random(5)] ?? at;
    bytes = Buffer.concat([
      bytes.subarray(0, at),
      latin1(INSERTED[random(INSERTED.length)] ?? '"'),
      bytes.subarray(end),
    ]);
  }
  const file = path.join(folder, name);
  fs.writeFileSync(file, bytes);
  const found = await outcome(file, options);
  // Lines that are not blank, less the header, are records, or lines of a quoted field that holds no records.
  const header = name === "m.jsonl" ? 0 : 1;
  const lines =
    bytes
      .toString("latin1")
      .split("\n")
      .filter((part) => part.trim() !== "").length - header;
  const { records: read = 0, malformed = 0, kept = 0, duplicates = 0 } = found.records ?? {};
  const accounted =
    malformed + kept + duplicates === read &&
    (read === lines || (name === "m.csv" && read < lines && read >= lines - 3));
  if (found.error !== undefined) mutated.refused++;
  else if (accounted) mutated.accounted++;
  else {
    mutated.wrong++;
    console.log(
      `WRONG mutation ${k} of ${name}: ${lines} lines, ${read} records; ${JSON.stringify(bytes.toString("latin1"))}`,
    );
  }
}
console.log(
  `${flags.mutations} mutated files: ${mutated.accounted} with every line accounted for, ${mutated.refused} ` +
    `refused in one line, ${mutated.wrong} wrong`,
);
fs.rmSync(folder, { recursive: true });
process.exitCode = sums.wrong + mutated.wrong > 0 ? 1 : 0;
