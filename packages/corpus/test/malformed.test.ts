// Damaged and hostile input: each ends in one clear error or is counted; nothing is left behind and nothing is dropped
// uncounted.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { CorpusError, CorpusUsageError, type PrepareOptions, parseColumns, parseMetaColumns } from "@cllm4rec/corpus";
import { sampled } from "@cllm4rec/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parsePythonLiteral } from "../src/readers/python-literal.js";
import { jsonLines, prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

/** The error that preparing ends with; it must be one line, and no partial output may remain. */
async function failure(options: Omit<PrepareOptions, "output">): Promise<Error> {
  const before = fs.readdirSync(folder.path);
  const error = await prepared(folder, options).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof CorpusError)) throw new Error(`a CorpusError is expected, found ${String(error)}`);
  expect(error.message).not.toContain("\n");
  expect(fs.readdirSync(folder.path)).toEqual(before);
  return error;
}

const good = (count: number) =>
  Array.from({ length: count }, (_, k) =>
    JSON.stringify({ user: `u${k % 5}`, item: `i${k}`, rating: 4, timestamp: k }),
  );

/** Positions of the malformed examples that were reported. */
const places = (result: Awaited<ReturnType<typeof prepared>>) =>
  result.events.flatMap((event) => (event.type === "malformed" ? [`${event.place} ${event.reason}`] : []));

describe("malformed records are counted and the first few shown", () => {
  test("JSON lines: broken, not an object, without ids, wrong numbers, invalid UTF-8; blank lines are no records", async () => {
    const lines: (string | Buffer)[] = good(60);
    lines.splice(3, 0, '{"user": "u1", "item":');
    lines.splice(5, 0, "", "   ");
    lines.splice(10, 0, "[1]");
    lines.splice(20, 0, '{"user": "", "item": "x"}');
    lines.splice(30, 0, '{"user": "u1", "item": null}');
    lines.splice(40, 0, '{"user": "u1", "item": "x", "rating": "five"}');
    lines.splice(41, 0, '{"user": "u1", "item": "x", "rating": 1e999}');
    lines.splice(42, 0, '{"user": "u1", "item": "x", "timestamp": "yesterday"}');
    lines.splice(43, 0, Buffer.from('{"user": "\xff\xfe", "item": "x"}', "latin1"));
    const input = folder.write(
      "mixed.jsonl",
      Buffer.concat(lines.map((line) => Buffer.concat([Buffer.from(line), Buffer.from("\n")]))),
    );
    const result = await prepared(folder, { inputs: [input], maxMalformed: 0.2 });
    expect(result.manifest.records).toMatchObject({ records: 68, malformed: 8, kept: 60 });
    expect(places(result)).toEqual([
      "line 4 is not of the format",
      "line 11 is not of the format",
      "line 21 has no user id",
    ]);
    const error = await failure({ inputs: [input] });
    expect(error.message).toContain("8 of 68 records are malformed, more than the accepted 10%");
    expect(error.message).toContain('mixed.jsonl, line 4, is not of the format: {"user": "u1", "item":');
  });

  test("lines after one that is not UTF-8 keep their numbers", async () => {
    const lines = [...good(100).map((line) => Buffer.from(line)), Buffer.from("{}")];
    lines.splice(50, 0, Buffer.from("\xff", "latin1"));
    const input = folder.write("numbers.jsonl", Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")])));
    const result = await prepared(folder, { inputs: [input] });
    expect(places(result)).toEqual(["line 102 has no user id", "line 51 is not valid UTF-8 text"]);
  });

  test("CSV: quoted line ends, too few and too many fields, values of the wrong type", async () => {
    const rows = Array.from({ length: 60 }, (_, k) => `u${k % 5},i${k},4,"a\nb"`);
    rows.splice(10, 0, "u1,x");
    rows.splice(20, 0, "u1,x,4,t,more");
    rows.splice(30, 0, "u1,x,four,t");
    const input = folder.write("mixed.csv", `user,item,rating,text\n${rows.join("\n")}\n`);
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 63, malformed: 3, kept: 60 });
    // Rows 1–10, 12–20 and 22–30 take two lines each.
    expect(places(result)[0]).toBe("line 60 has a rating that is not a number");
    expect(
      places(result)
        .slice(1)
        .map((place) => place.split(":")[0]),
    ).toEqual(["line 22 missing columns", "line 41 too many columns"]);
  });

  test("tab-separated formats", async () => {
    const rows = Array.from({ length: 40 }, (_, k) => `u${k % 5}\ti${k}\t4`);
    rows.splice(4, 0, "u1\tx", "u1\tx\t4\t5");
    const input = folder.write("z.inter", `user_id:token\titem_id:token\trating:float\n${rows.join("\n")}\n`);
    const result = await prepared(folder, { inputs: [input] });
    expect(result.manifest.records).toMatchObject({ records: 42, malformed: 2 });
    expect(places(result)).toEqual(["line 6 is not of the format", "line 7 is not of the format"]);
  });

  test("sequences: a user without items is malformed", async () => {
    const input = folder.write("short.txt", `${Array.from({ length: 20 }, (_, k) => `${k} 1 2 3`).join("\n")}\n77\n`);
    const result = await prepared(folder, { inputs: [input], format: "s3rec" });
    expect(result.manifest.records).toMatchObject({ records: 61, malformed: 1 });
    expect(places(result)).toEqual(["line 21 is not of the format"]);
  });

  test("metadata", async () => {
    const input = folder.write("for-meta.jsonl", good(20).join("\n"));
    const meta = folder.write(
      "meta.jsonl",
      `${Array.from({ length: 20 }, (_, k) => JSON.stringify({ item: `i${k}`, text: `t${k}` })).join("\n")}\n` +
        '{"item": \n{"item": "i3", "text": "again"}\n{"item": "none"}\n',
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(result.manifest.records).toMatchObject({ metadata: 23, metadataMalformed: 1, metadataUnused: 2 });
    expect(result.itemTexts.i3).toBe("again");
    expect(places(result)).toEqual(["line 21 is not metadata of the format"]);
  });

  test("control characters of the data never reach the terminal", async () => {
    const input = folder.write("escape.jsonl", `${good(20).join("\n")}\n{"user": \u001b]0;pwned\u0007\n`);
    const result = await prepared(folder, { inputs: [input] });
    const [event] = result.events.filter((candidate) => candidate.type === "malformed");
    expect(event?.type === "malformed" && event.snippet).toBe('{"user":  ]0;pwned ');
  });

  test("every line of a file is accounted for, whatever the bytes", async () => {
    const line = fc.oneof(
      { weight: 3, arbitrary: fc.constantFrom(...good(10)).map((text) => Buffer.from(text)) },
      fc.uint8Array({ maxLength: 12 }).map((bytes) => Buffer.from(bytes.filter((byte) => byte !== 10 && byte !== 13))),
      fc.string({ unit: "binary", maxLength: 8 }).map((text) => Buffer.from(text.replace(/[\r\n]/g, " "))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(line, { minLength: 1, maxLength: 12 }), async (lines) => {
        const valid = Buffer.from(good(1)[0]!);
        const content = Buffer.concat([valid, ...lines].flatMap((bytes) => [bytes, Buffer.from("\n")]));
        const input = folder.write("fuzz.jsonl", content);
        const { manifest } = await prepared(folder, { inputs: [input], format: "jsonl", maxMalformed: 1 });
        const { records, malformed, duplicates, kept } = manifest.records;
        expect(malformed + duplicates + kept).toBe(records);
        const blank = lines.filter((bytes) => bytes.toString("latin1").trim() === "").length;
        expect(records).toBeLessThanOrEqual(lines.length + 1);
        expect(records).toBeGreaterThanOrEqual(lines.length + 1 - blank);
      }),
      { numRuns: sampled(10, 30) },
    );
  });
});

describe("damaged files", () => {
  const content = `${good(2000).join("\n")}\n`;

  test("a truncated or altered gzip file", async () => {
    const whole = zlib.gzipSync(content);
    for (const cut of [11, 1000, whole.length - 9, whole.length - 1]) {
      const error = await failure({ inputs: [folder.write("cut.jsonl.gz", whole.subarray(0, cut))], format: "jsonl" });
      expect(error.message).toMatch(/cut\.jsonl\.gz is a damaged or truncated gzip file/);
      fs.rmSync(path.join(folder.path, "cut.jsonl.gz"));
    }
    const flipped = Buffer.from(whole);
    flipped[whole.length - 6]! ^= 1;
    const error = await failure({ inputs: [folder.write("crc.jsonl.gz", flipped)] });
    expect(error.message).toMatch(/damaged or truncated gzip/);
  });

  test("a truncated zstd file, at every kind of place", async () => {
    const whole = fs.readFileSync(new URL("fixtures/tiny.jsonl.zst", import.meta.url));
    for (let cut = 4; cut < whole.length; cut += sampled(3, 1)) {
      const input = folder.write("cut.jsonl.zst", whole.subarray(0, cut));
      const error = await failure({ inputs: [input], format: "jsonl" });
      expect(error.message).toContain("cut.jsonl.zst");
    }
  });

  test("what cannot be read", async () => {
    expect((await failure({ inputs: [path.join(folder.path, "missing.jsonl")] })).message).toMatch(/does not exist/);
    const empty = folder.write("empty.jsonl", "");
    expect((await failure({ inputs: [empty], format: "jsonl" })).message).toMatch(/there are no records/);
    expect((await failure({ inputs: [empty] })).message).toMatch(/empty\.jsonl is empty: there are no records/);
    const noise = folder.write(
      "noise.bin",
      Buffer.from(Array.from({ length: 4096 }, (_, k) => (k * 167 + (k >> 3)) & 255)),
    );
    expect((await failure({ inputs: [noise] })).message).toMatch(/not recognised.*`format`/);
    const wide = folder.write("wide.csv", Buffer.from("\ufeffuser,item\nu,a\n", "utf16le"));
    expect((await failure({ inputs: [wide] })).message).toMatch(/is UTF-16/);
    const mixed = folder.write("mixed-ends.csv", "user,item\r\nu,a\nu,b\r\n");
    expect((await failure({ inputs: [mixed] })).message).toMatch(/line ends of more than one kind/);
    const parquet = folder.write("fake.parquet", "PAR1 not really PAR1");
    expect((await failure({ inputs: [parquet] })).message).toMatch(/fake\.parquet cannot be read/);
  });
});

describe("wrong columns and options", () => {
  test("a file of another format than named", async () => {
    const input = folder.write("other.jsonl", good(5).join("\n"));
    expect((await failure({ inputs: [input], format: "amazon-2014" })).message).toMatch(
      /no "reviewerID", "asin", "overall" \(format amazon-2014\), only "user", "item", "rating", "timestamp"/,
    );
    expect((await failure({ inputs: [input], format: "recbole" })).message).toMatch(/RecBole header/);
    expect((await failure({ inputs: [input], format: "movielens" })).message).toMatch(/separated by tabs/);
    const list = folder.write("array.json", `[${good(3).join(",\n")}]`);
    expect((await failure({ inputs: [list], format: "jsonl" })).message).toMatch(/one JSON object a line/);
  });

  test("columns that are not there, or not clear, or twice", async () => {
    const input = folder.write("c.csv", "who,what\nu,a\n");
    expect((await failure({ inputs: [input] })).message).toMatch(
      /which column is the user is not clear.*"who", "what"/,
    );
    expect((await failure({ inputs: [input], columns: { user: "who", item: "which" } })).message).toMatch(
      /no column "which" for item/,
    );
    const twice = folder.write("d.csv", "user,item,User\nu,a,b\n");
    expect((await failure({ inputs: [twice] })).message).toMatch(/distinct column names \("User" comes twice\)/);
    const meta = folder.write("m.csv", "x,y\n1,2\n");
    const options = { inputs: [input], columns: { user: "who", item: "what" }, meta: [meta] };
    expect((await failure(options)).message).toMatch(/no item or user id among its columns "x", "y"/);
  });

  test("mappings are parsed strictly", () => {
    expect(parseColumns("user=a, item=b=c")).toEqual({ user: "a", item: "b=c" });
    for (const text of ["", "user=a", "user=a,item=", "user=a,item=b,color=c", "user=a,user=b,item=c", "a"]) {
      expect(() => parseColumns(text)).toThrow(CorpusUsageError);
    }
    expect(parseMetaColumns("item=a,text=b")).toEqual({ item: "a", text: "b" });
    for (const text of ["title=a", "item=a,user=b"]) expect(() => parseMetaColumns(text)).toThrow(CorpusUsageError);
  });

  test("thresholds and splits that the data cannot serve", async () => {
    const input = folder.write("plain.jsonl", jsonLines([{ user: "u", item: "a" }]));
    expect((await failure({ inputs: [input], minRating: 3 })).message).toMatch(/has no ratings/);
    expect((await failure({ inputs: [input], split: "time" })).message).toMatch(/has no times/);
    expect((await failure({ inputs: [input], core: 5 })).message).toMatch(/nothing remains of 1 records/);
  });

  test.each([
    [{ core: -1 }, /core is -1/],
    [{ core: 1.5 }, /core is 1.5/],
    [{ seed: -1 }, /seed is -1/],
    [{ seed: 2 ** 53 }, /seed/],
    [{ minRating: Number.NaN }, /minRating/],
    [{ testShare: 0.6, validationShare: 0.5 }, /less than 1/],
    [{ maxMalformed: 2 }, /maxMalformed is 2/],
    [{ threads: 0 }, /threads is 0/],
    [{ memoryLimit: "much" }, /memoryLimit is "much"/],
    [{ inputs: [] }, /at least one file/],
  ])("%j is a wrong use", async (wrong, message) => {
    const error = await failure({ inputs: ["x"], ...wrong });
    expect(error).toBeInstanceOf(CorpusUsageError);
    expect(error.message).toMatch(message);
  });

  test("inputs of different formats", async () => {
    const first = folder.write("mix.csv", "user,item\nu,a\n");
    const second = folder.write("mix.jsonl", good(2).join("\n"));
    expect((await failure({ inputs: [first, second] })).message).toMatch(/looks like csv.*like jsonl/);
  });
});

test("an abort leaves nothing behind, wherever it comes", async () => {
  const input = folder.write("abort.jsonl", `${good(20_000).join("\n")}\n`);
  const before = fs.readdirSync(folder.path);
  for (const delay of [0, 5, 20, 60, 120]) {
    const controller = new AbortController();
    const timer = setTimeout(() => controller.abort(new Error("enough")), delay);
    const outcome = await prepared(folder, { inputs: [input], signal: controller.signal }).then(
      (result) => result.manifest.records.records,
      (error: unknown) => String(error),
    );
    clearTimeout(timer);
    if (outcome === 20_000)
      fs.rmSync(path.join(folder.path, fs.readdirSync(folder.path).find((name) => name.startsWith("out-"))!), {
        recursive: true,
      });
    else expect(outcome).toBe("Error: enough");
    expect(fs.readdirSync(folder.path)).toEqual(before);
  }
});

describe("Python literals", () => {
  test("are read as Python reads them", () => {
    expect(
      parsePythonLiteral(`{'a': (1, -2.5e3, [u'\\u00e9' "x"], True, None), 3: {}, "b": '\\x41\\101\\q\\n'}`),
    ).toEqual({
      a: [1, -2500, ["éx"], true, null],
      3: {},
      b: "AA\\q\n",
    });
  });

  test.each([
    "",
    "{",
    "{'a'}",
    "{'a': }",
    "'a",
    "[1 2]",
    "__import__('os')",
    "{1: 2} 3",
    "{'a': b}",
    "'\\xg1'",
    "[".repeat(200),
  ])("%j is refused", (text) => {
    expect(() => parsePythonLiteral(text)).toThrow(SyntaxError);
  });

  test("no key reaches a prototype", () => {
    const parsed = parsePythonLiteral("{'__proto__': {'polluted': 1}}");
    expect(Object.getPrototypeOf(parsed)).toBe(null);
    expect("polluted" in {}).toBe(false);
  });

  test("agree with Python on random values", () => {
    const python = pythonCommand();
    if (!python) return console.warn("no python3 on this machine: skipped");
    const leaf = fc.oneof(
      fc.integer(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.string({ unit: "grapheme" }),
    );
    const value = fc.letrec((tie) => ({
      any: fc.oneof(
        { depthSize: "small" },
        leaf,
        fc.array(tie("any"), { maxLength: 4 }),
        fc.dictionary(fc.string({ minLength: 1 }), tie("any"), { maxKeys: 4, noNullPrototype: true }),
      ),
    })).any;
    const values = fc.sample(value, { numRuns: 300, seed: 7 });
    const printed = execFileSync(python, ["-c", "import json,sys\nfor v in json.load(sys.stdin): print(ascii(v))"], {
      input: JSON.stringify(values),
      encoding: "utf8",
    });
    const lines = printed.trimEnd().split("\n");
    expect(lines).toHaveLength(300);
    lines.forEach((line, k) => {
      expect(JSON.parse(JSON.stringify(parsePythonLiteral(line)))).toEqual(JSON.parse(JSON.stringify(values[k])));
    });
  });
});

function pythonCommand(): string | undefined {
  try {
    execFileSync("python3", ["--version"], { stdio: "ignore" });
    return "python3";
  } catch {
    return undefined;
  }
}
