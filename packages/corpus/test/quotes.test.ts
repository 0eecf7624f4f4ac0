// Quotes in CSV and TSV files: no line of a file disappears into a field without being counted and named.
import zlib from "node:zlib";
import { CorpusError } from "@cllm4rec/corpus";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CellSplitter, splitCells } from "../src/readers/csv-dialect.js";
import { CsvScanner } from "../src/readers/csv-scan.js";
import { prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

const malformed = (result: Awaited<ReturnType<typeof prepared>>) =>
  result.events.flatMap((event) => (event.type === "malformed" ? [`${event.place} ${event.reason}`] : []));

const failure = (options: Parameters<typeof prepared>[1]) =>
  prepared(folder, options).then(
    () => {
      throw new Error("an error is expected");
    },
    (error: unknown) => {
      if (!(error instanceof CorpusError)) throw error;
      return error.message;
    },
  );

/** `count` records, of which `change` may rewrite the k-th. */
const table = (count: number, separator: string, change: Readonly<Record<number, string>> = {}) =>
  ["user,item,rating,text".replaceAll(",", separator)]
    .concat(
      Array.from({ length: count }, (_, k) => change[k] ?? [`u${k % 7}`, `i${k}`, "4", `text ${k}`].join(separator)),
    )
    .map((line) => `${line}\n`)
    .join("");

describe("a quote that is never closed", () => {
  test("in a long CSV file: every swallowed line counts as malformed, and the first is named", async () => {
    const half = 30_000;
    const input = folder.write("long.csv", table(2 * half, ",", { [half]: 'u1,i1,4,"oops' }));
    const message = await failure({ inputs: [input] });
    expect(message).toContain(`${half} of ${2 * half} records are malformed, more than the accepted 10%`);
    expect(message).toContain(
      `long.csv, line ${half + 2}, opens a quote that is never closed: lines ${half + 3} to ${2 * half + 1} are ` +
        'swallowed: u1,i1,4,"oops',
    );
    expect(message).toContain('`quote`: "none"');
    const accepted = await prepared(folder, { inputs: [input], maxMalformed: 1 });
    expect(accepted.manifest.records).toMatchObject({ records: 2 * half, malformed: half, kept: half });
    const unquoted = await prepared(folder, { inputs: [input], quote: "none" });
    expect(unquoted.manifest.records).toMatchObject({ records: 2 * half, malformed: 0 });
  });

  test.each([
    ["the first record", 0],
    ["the last record", 19],
  ])("in %s", async (_, k) => {
    const input = folder.write("edge.csv", table(20, ",", { [k]: 'u1,"i1,4,x' }));
    const result = await prepared(folder, { inputs: [input], maxMalformed: 1 }).catch((error: Error) => error.message);
    if (typeof result === "string") expect(result).toMatch(/20 of 20 records are malformed.*line 2, opens a quote/);
    else {
      expect(result.manifest.records).toMatchObject({ records: 20, malformed: 1 });
      expect(malformed(result)).toEqual(["line 21 opens a quote that is never closed"]);
    }
  });

  test("in gzip and with CRLF", async () => {
    const text = table(40, ",", { 37: 'u1,i1,4,"oops' }).replaceAll("\n", "\r\n");
    for (const [name, content] of [
      ["crlf.csv", text],
      ["crlf.csv.gz", zlib.gzipSync(text)],
    ] as const) {
      const result = await prepared(folder, { inputs: [folder.write(name, content)], maxMalformed: 0.1 });
      expect(result.manifest.records).toMatchObject({ records: 40, malformed: 3, kept: 37 });
      expect(malformed(result)).toEqual([
        "line 39 opens a quote that is never closed: lines 40 to 41 are swallowed",
        "line 40 is swallowed by the quote that an earlier line opens",
        "line 41 is swallowed by the quote that an earlier line opens",
      ]);
    }
  });

  test("in metadata", async () => {
    const input = folder.write("for-meta.csv", table(20, ","));
    const meta = folder.write(
      "meta.csv",
      `item,text\n${Array.from({ length: 20 }, (_, k) => (k === 18 ? 'i18,"oops' : `i${k},about ${k}`)).join("\n")}\n`,
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta], maxMalformed: 0.1 });
    expect(result.manifest.records).toMatchObject({ metadata: 20, metadataMalformed: 2 });
    expect(malformed(result)).toEqual(["line 20 opens a quote that is never closed: line 21 is swallowed"]);
    expect(result.itemTexts).toMatchObject({ i17: "about 17", i18: null, i19: null });
  });
});

describe("a quote that closes too late", () => {
  test("where the lines in between are records, all of them are malformed", async () => {
    const input = folder.write("between.csv", table(200, ",", { 10: 'u1,i1,4,"open', 20: 'u1,i2,4,close"' }));
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 200, malformed: 11, kept: 189 });
    expect(malformed(result)[0]).toBe("line 12 opens a quote that holds other records: lines 13 to 22 are swallowed");
  });

  test("where it closes in the middle of another field", async () => {
    const input = folder.write("middle.csv", table(200, ",", { 10: 'u1,i1,4,"open', 12: 'u1,i2,4,"fine"' }));
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 200, malformed: 3, kept: 197 });
    expect(malformed(result)[0]).toBe(
      "line 12 opens a quote that is closed in the middle of text: lines 13 to 14 are swallowed",
    );
  });

  test("where the record has too many fields then", async () => {
    const input = folder.write("many.csv", table(200, ",", { 10: 'u1,"i1,4,open', 12: 'u1,i2,4,x",more,fields,here' }));
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 200, malformed: 3, kept: 197 });
    expect(malformed(result)[0]).toMatch(/^line 12 has 5 fields, 4 are expected: lines 13 to 14 are swallowed/);
  });

  test("texts with line ends, commas and quotes stay whole", async () => {
    const texts = [
      "two\nlines",
      "good, cheap, small, nice\nand, so, it, goes",
      'a "quoted" word\n\n\nand blank lines',
      "",
    ];
    const rows = Array.from({ length: 60 }, (_, k) => `u${k},i,4,"${texts[k % 4]!.replaceAll('"', '""')}"`);
    const input = folder.write("whole.csv", `user,item,rating,text\n${rows.join("\n")}\n`);
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 60, malformed: 0, kept: 60 });
    expect(new Set(result.reviews.map((review) => review.replace(/^u\d+\/i: /, "")))).toEqual(
      new Set(texts.slice(0, 3)),
    );
  });
});

describe("which quotes count", () => {
  test("TSV has none unless asked", async () => {
    const change = { 10: 'u1\tj1\t4\t"open', 20: 'u1\tj2\t4\tclose"' };
    const input = folder.write("raw.tsv", table(40, "\t", change));
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 40, malformed: 0, kept: 40 });
    expect(result.reviews).toContain('u1/j1: "open');
    const quoted = folder.write("quoted.tsv", 'user\titem\ttext\nu\ta\t"two\nlines and a ""word"""\n');
    expect((await prepared(folder, { inputs: [quoted], quote: "double" })).reviews).toEqual([
      'u/a: two\nlines and a "word"',
    ]);
  });

  test("a CSV without any, and with quotes as text", async () => {
    const input = folder.write("none.csv", 'user,item,text\nu,a,"x\nv,a,5" screen\nw,a,y"\n');
    const result = await prepared(folder, { inputs: [input], quote: "none" });
    expect(result.reviews).toEqual(['u/a: "x', 'v/a: 5" screen', 'w/a: y"']);
    const inside = folder.write("inside.csv", 'user,item,text\nu,a,5" screen\nv,a,"6"" screen"\n');
    expect((await prepared(folder, { inputs: [inside] })).reviews).toEqual(['u/a: 5" screen', 'v/a: 6" screen']);
  });

  test("rows after one file that was read with care keep their places", async () => {
    const first = folder.write("first.csv", table(30, ",", { 28: 'u1,i1,4,"oops' }));
    const second = folder.write("second.csv", table(30, ",", { 5: "u1,j1,four,x" }).replaceAll(/,i(?=\d)/g, ",j"));
    const result = await prepared(folder, { inputs: [first, second], maxMalformed: 0.1 });
    expect(result.manifest.records).toMatchObject({ records: 60, malformed: 3, kept: 57 });
    expect(malformed(result)).toContain("line 7 has a rating that is not a number");
    expect(result.reviews).toHaveLength(57);
    expect(result.reviews).toContain("u1/j29: text 29");
  });
});

describe("the two readings of a file agree", () => {
  const cell = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom("a", "b7", "4", "") },
    fc.string({ unit: fc.constantFrom('"', ",", "x", " ", "\n", "é"), maxLength: 6 }),
  );
  const quoted = (text: string) => (/[",\n ]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);

  test("what CSV writers write is sound, and comes back, however it is cut into blocks", () => {
    fc.assert(
      fc.property(
        fc.array(fc.array(cell, { minLength: 3, maxLength: 3 }), { maxLength: 8 }),
        fc.integer({ min: 1, max: 9 }),
        (rows, size) => {
          const used = rows.filter((row) => row.some((text) => text !== ""));
          const text = used.map((row) => `${row.map(quoted).join(",")}\n`).join("");
          const swallowed: string[] = [];
          const scanner = new CsvScanner(
            { delimiter: ",", quote: "double" },
            (own) => swallowed.push(...own) < 0,
            "utf8",
          );
          const bytes = Buffer.from(text);
          for (let at = 0; at < bytes.length; at += size) scanner.push(Buffer.from(bytes.subarray(at, at + size)));
          expect(scanner.end()).toEqual({ sound: true, records: used.length });
          expect(swallowed).toEqual(used.flatMap((row) => row.map(quoted).join(",").split("\n").slice(1)));
          for (const row of used) {
            const splitter = new CellSplitter(",");
            const state = row
              .map(quoted)
              .join(",")
              .split("\n")
              .map((line) => splitter.push(line))
              .at(-1);
            expect([state, splitter.cells]).toEqual([undefined, row]);
          }
        },
      ),
    );
  });

  test("any text: every line is a record, in one, or malformed", async () => {
    const line = fc.string({ unit: fc.constantFrom('"', ",", "x", " ", "7"), maxLength: 10 });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 10 }), async (lines) => {
        const content = `user,item,text\nu,a,b\n${lines.join("\n")}\n`;
        const input = folder.write("fuzz.csv", content);
        const { manifest } = await prepared(folder, { inputs: [input], maxMalformed: 1 });
        const { records, malformed, duplicates, kept } = manifest.records;
        expect(malformed + duplicates + kept).toBe(records);
        expect(records).toBeLessThanOrEqual(lines.length + 1);
        // Only blank lines, and lines inside a well-formed field, are no records.
        const alone = lines.filter((text) => typeof splitCells(text, { delimiter: ",", quote: "double" }) !== "string");
        if (alone.length === lines.length) expect(records).toBe(lines.filter((text) => text !== "").length + 1);
      }),
      { numRuns: 15 },
    );
  });
});

test("a quoted file of many blocks is looked at block by block", () => {
  const scanner = new CsvScanner({ delimiter: ",", quote: "double" }, () => false, "utf8");
  const block = Buffer.from(`u,i,"${"text ".repeat(20)}"\n`.repeat(5000));
  for (let k = 0; k < 40; k++) scanner.push(block.subarray(0, -1 - k));
  // Each block but the first begins in the middle of the line that the one before it began.
  expect(scanner.end().sound).toBe(false);
  const whole = new CsvScanner({ delimiter: ",", quote: "double" }, () => false, "utf8");
  for (let k = 0; k < 40; k++) whole.push(block);
  expect(whole.end()).toEqual({ sound: true, records: 200_000 });
});
