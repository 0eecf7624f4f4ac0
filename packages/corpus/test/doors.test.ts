// Files as people have them: names with glob characters, times with offsets, ids as floats, tables without headers,
// unusual names and forms.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { CorpusError, CorpusUsageError, Dataset, parseColumns, prepare } from "@cllm4rec/corpus";
import { DuckDBInstance } from "@duckdb/node-api";
import { beforeAll, describe, expect, test } from "vitest";
import { sha256File } from "../src/dataset/hash.js";
import { jsonLines, type Prepared, prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

const failure = (options: Parameters<typeof prepared>[1]): Promise<CorpusError> =>
  prepared(folder, options).then(
    () => {
      throw new Error("an error is expected");
    },
    (error: unknown) => {
      if (!(error instanceof CorpusError)) throw error;
      return error;
    },
  );

const warnings = ({ events }: Prepared) => events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
const formatOf = ({ manifest }: Prepared) => manifest.provenance.reader;

/** Writes a Parquet file from SQL. */
async function parquetFile(name: string, sql: string): Promise<string> {
  const file = path.join(folder.path, name);
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run("SET TimeZone = 'UTC'");
  await connection.run(`COPY (${sql}) TO '${file}' (FORMAT parquet)`);
  connection.closeSync();
  return file;
}

describe("the file that is named is the file that is read", () => {
  const NAMES = ["data[1]", "r*", "q?", "[ab]c", "{a,b}", "it's", "key=5", "~x"];
  const decoys: Readonly<Record<string, string>> = { "data[1]": "data1", "r*": "rest", "q?": "qq", "[ab]c": "ac" };

  test.each(NAMES)("%s as CSV, JSON lines and Parquet, inputs and metadata", async (name) => {
    const write = async (base: string, user: string) => {
      folder.write(`glob/${base}.csv`, `user,item\n${user},a\n`);
      folder.write(`glob/${base}.jsonl`, jsonLines([{ user, item: "a" }]));
      folder.write(`glob/${base}.json`, JSON.stringify([{ user, item: "a" }], null, 1));
      const made = await parquetFile("made.parquet", `SELECT '${user}' AS "user", 'a' AS item`);
      fs.renameSync(made, path.join(folder.path, "glob", `${base}.parquet`));
    };
    await write(name, "right");
    if (decoys[name] !== undefined) await write(decoys[name], "wrong");
    for (const extension of ["csv", "jsonl", "json", "parquet"]) {
      const input = path.join(folder.path, "glob", `${name}.${extension}`);
      const result = await prepared(folder, { inputs: [input], meta: [input] });
      expect(result.histories).toEqual({ right: ["a"] });
      expect(result.manifest.records).toMatchObject({ records: 1, metadata: 1 });
      expect(result.manifest.provenance.inputs[0]?.sha256).toBe(await sha256File(input));
    }
  });

  test("folders too: of the input and of the output", async () => {
    const input = folder.write("in[1]/user=7/x.csv", "user,item\nu,a\n");
    const parquet = await parquetFile("in[1]/user=7/x.parquet", `SELECT 'u' AS uid, 'a' AS item`);
    for (const file of [input, parquet]) {
      const output = path.join(folder.path, "out[1]", path.extname(file));
      await prepare({ inputs: [file], output, core: 0, minRating: null });
      const dataset = await Dataset.open(output);
      expect(await dataset.rawUserIds()).toEqual(["u"]);
      dataset.close();
    }
  });
});

describe("times", () => {
  test("a UTC offset counts", async () => {
    const at = [
      "2020-01-01T10:00:00+00:00",
      "2020-01-01T07:30:00-05:00",
      "2020-01-01T13:00:00+02:00",
      "2020-01-01 11:30:00 Z",
    ];
    const rows = at.map((when, k) => ({ user: "u", item: `${k}`, when }));
    const columns = { user: "user", item: "item", timestamp: "when" };
    for (const input of [
      folder.write("offsets.jsonl", jsonLines(rows)),
      folder.write("offsets.csv", `user,item,when\n${rows.map((row) => Object.values(row).join(",")).join("\n")}\n`),
    ]) {
      const result = await prepared(folder, { inputs: [input], columns });
      // 10:00, 12:30, 11:00 and 11:30 in UTC.
      expect(result.histories).toEqual({ u: ["0", "2", "3", "1"] });
    }
  });

  test("Goodreads' dates", async () => {
    const rows = [
      ["a", "Fri Mar 24 12:43:21 -0700 2017"],
      ["b", "Fri Mar 24 18:00:00 +0000 2017"],
      ["c", "Wed Jan 01 00:00:00 +0100 2014"],
    ];
    const input = folder.write(
      "goodreads_reviews.json",
      jsonLines(rows.map(([book_id, date_added]) => ({ user_id: "u", book_id, rating: 5, date_added }))),
    );
    const result = await prepared(folder, { inputs: [input], split: "leave-one-out" });
    expect(result.manifest.records).toMatchObject({ records: 3, malformed: 0 });
    expect(result.histories).toEqual({ u: ["c", "b", "a"] });
  });

  test("Parquet times with a zone do not depend on the machine's", async () => {
    const input = await parquetFile(
      "zones.parquet",
      `SELECT 'u' AS "user", i::VARCHAR AS item, t AS "timestamp" FROM (VALUES (1, TIMESTAMPTZ
        '2020-11-01 05:30:00+00'),
       (2, TIMESTAMPTZ '2020-11-01 06:10:00+00'), (3, TIMESTAMPTZ '2020-11-01 05:50:00+00')) v(i, t)`,
    );
    const hashes = ["UTC", "America/New_York", "Asia/Kolkata"].map((zone, k) => {
      const output = path.join(folder.path, `zone-${k}`);
      const script = `import { prepare } from "@cllm4rec/corpus";
        const { files } = await prepare({ inputs: [${JSON.stringify(input)}], output: ${JSON.stringify(output)}, core:
          0, split: "leave-one-out" });
        console.log(files["interactions.parquet"].sha256)`;
      return execFileSync(process.execPath, ["--input-type=module", "-e", script], {
        env: { ...process.env, TZ: zone },
        encoding: "utf8",
        cwd: path.dirname(new URL(import.meta.url).pathname),
      });
    });
    expect(new Set(hashes).size).toBe(1);
    expect((await prepared(folder, { inputs: [input] })).histories).toEqual({ u: ["1", "3", "2"] });
  });
});

describe("ids and ratings", () => {
  test("ids that were read from floats, in text and in Parquet, and metadata that has them either way", async () => {
    const csv = folder.write("floats.csv", "user,item,rating\n1.0,10.0,5\n2.0,20.0,4\n");
    const parquet = await parquetFile(
      "floats.parquet",
      `SELECT * FROM (VALUES (1.0::DOUBLE, 10.0::FLOAT, 5), (2.0, 20.0, 4), ('NaN'::DOUBLE, 20.0, 4)) v("user", ` +
        "item, rating)",
    );
    const meta = [
      folder.write("float-items.csv", "item_id,title\n10.0,Ten\n"),
      folder.write("int-items.csv", "item_id,title\n20,Twenty\n"),
    ];
    for (const [input, malformed] of [[csv, 0] as const, [parquet, 1] as const]) {
      const result = await prepared(folder, { inputs: [input], meta, maxMalformed: 0.5 });
      expect(result.histories).toEqual({ 1: ["10"], 2: ["20"] });
      expect(result.titles).toEqual({ 10: "Ten", 20: "Twenty" });
      expect(result.manifest.records.malformed).toBe(malformed);
    }
    const versions = folder.write("versions.csv", "user,item\nu,1.0\nv,1.1\n");
    expect((await prepared(folder, { inputs: [versions] })).histories).toEqual({ u: ["1.0"], v: ["1.1"] });
  });

  test("true and false as ratings", async () => {
    const rows = [
      { user: "u", item: "a", recommended: true },
      { user: "u", item: "b", recommended: false },
      { user: "v", item: "a", recommended: "True" },
    ];
    const { minRating: _, ...defaults } = { minRating: undefined, core: 0 };
    for (const input of [
      folder.write("bool.jsonl", jsonLines(rows)),
      folder.write(
        "bool.csv",
        `user,item,recommended\n${rows.map((row) => Object.values(row).join(",")).join("\n")}\n`,
      ),
    ]) {
      const output = path.join(folder.path, `bool-${path.extname(input)}`);
      const events: string[] = [];
      const manifest = await prepare({
        ...{ ...defaults, inputs: [input], output },
        onEvent: (event) => event.type === "warning" && events.push(event.message),
      });
      expect(manifest.records).toMatchObject({ records: 3, malformed: 0, belowRating: 1, kept: 2 });
      expect(manifest.preparation.minRating).toBe(0);
      expect(events.join()).toContain("the ratings are true and false");
    }
  });

  test("one column is not user and item", async () => {
    expect(() => parseColumns("user=a,item=a")).toThrow(CorpusUsageError);
    expect(() => parseColumns("user=a,item=b,rating=c,timestamp=c")).toThrow(/"c" for rating and for timestamp/);
    const input = folder.write("same.csv", "user,item\nu,a\n");
    const error = await failure({ inputs: [input], columns: { user: "user", item: "user" } });
    expect(error.message).toContain('takes the column "user" for user and for item');
  });

  test("an error without a rating does not speak of one", async () => {
    const input = folder.write("norating.csv", "user,item\nu,a\n");
    const error = await failure({ inputs: [input], core: 5 });
    expect(error.message).toBe(
      "nothing remains of 1 records: 0 malformed, 0 duplicates, and the other 1 have no 5-core. Lower `core`.",
    );
  });
});

describe("JSON", () => {
  test("Python literals honour the columns of interactions and of metadata", async () => {
    const input = folder.write(
      "steam.json",
      "{u'who': u'u', 'what': 7, 'said': 'it\\'s'}\n{'who': 'v', 'what': 7, 'said': None}\n",
    );
    const meta = folder.write("games.json", "{'key': 7, 'label': u'Seven', 'tags': ['x', 'y'], 'secret': 's'}\n");
    const result = await prepared(folder, {
      inputs: [input],
      columns: { user: "who", item: "what", text: "said" },
      meta: [meta],
      metaColumns: { item: "key", title: "label", text: "tags" },
    });
    expect(result.reviews).toEqual(["u/7: it's"]);
    expect(result.titles).toEqual({ 7: "Seven" });
    expect(result.itemTexts).toEqual({ 7: "x, y" });
  });

  test("half a surrogate pair becomes U+FFFD and is counted; a whole one stays", async () => {
    const line = (item: string, text: string) => `{"user": "u", "item": "${item}", "text": "${text}"}`;
    const lines = [
      line("a", "low \\ud83d alone"),
      line("b", "whole \\ud83d\\ude00"),
      line("c", "\\\\ud83d is spelled out"),
      line("d", "\\\\\\ude00 \\uD83D\\uD83D\\uDE00 é"),
      line("e", "cut \\ud8"),
    ];
    const expected = [
      "u/a: low \ufffd alone",
      "u/b: whole 😀",
      "u/c: \\ud83d is spelled out",
      "u/d: \\\ufffd \ufffd😀 é",
    ];
    for (const input of [
      folder.write("halves.jsonl", lines.join("\n")),
      folder.write("halves.json", `[\n${lines.join(",\n")}]`),
    ]) {
      const result = await prepared(folder, { inputs: [input], maxMalformed: 0.3 });
      expect(result.reviews).toEqual(expected);
      expect(result.manifest.records).toMatchObject({ records: 5, malformed: 1, kept: 4, mended: 2 });
      expect(warnings(result).join()).toContain("2 records hold half of a surrogate pair");
    }
    const meta = folder.write("halves-meta.jsonl", '{"item": "a", "text": "x \\udc00"}');
    const described = await prepared(folder, { inputs: [folder.write("b.csv", "user,item\nu,a\n")], meta: [meta] });
    expect(described.itemTexts).toEqual({ a: "x \ufffd" });
    expect(warnings(described).join()).toContain("1 record holds half of a surrogate pair");
  });

  test("a damaged array is refused at its line, an object that is no JSON is malformed alone", async () => {
    const whole = '[{"user": "u", "item": "a"},\n {"user": "u", "item": b},\n {"user": "u", "item": "c"}]';
    const result = await prepared(folder, { inputs: [folder.write("one-bad.json", whole)], maxMalformed: 0.5 });
    expect(result.manifest.records).toMatchObject({ records: 3, malformed: 1, kept: 2 });
    for (const [name, text, where] of [
      [
        "cut",
        '[{"user": "u", "item": "a"},\n{"user": "u", "it',
        /cut\.json, line 2: an object begins here and does not end/,
      ],
      [
        "brace",
        '[{"user": "u", "item": "a"},\n{"user": "u", "item": "b",\n{"user": "v", "item": "c"}\n]',
        /line 4: \} is expected, found \]/,
      ],
      ["open", '[{"user": "u", "item": "a"}\n', /open\.json, line \d: the array does not end/],
      [
        "quote",
        '[{"user": "u", "item": "a"},\n{"user": "u", "item": "b},\n{}]',
        /line 2: a string has no closing quote/,
      ],
      ["scalar", '[{"user": "u", "item": "a"},\n7]', /line 2: an object is expected, found "7/],
    ] as const) {
      const error = await failure({ inputs: [folder.write(`${name}.json`, text)], format: "json" });
      expect(error.message).toMatch(where);
    }
  });

  test("an Amazon 2018 review that begins with its images is no sequence", async () => {
    const review = (user: string) => ({
      image: ["https://images.example/1.jpg"],
      overall: 5,
      verified: true,
      reviewerID: user,
      asin: "a",
      reviewText: "t",
      unixReviewTime: 1,
    });
    const input = folder.write("All_Beauty.json", jsonLines([review("u"), review("v")]));
    const result = await prepared(folder, { inputs: [input] });
    expect(formatOf(result)).toBe("amazon-2018");
    expect(result.histories).toEqual({ u: ["a"], v: ["a"] });
  });

  test("parent_asin is the item before asin, and the choice is told", async () => {
    const sql = `SELECT 'u' AS user_id, 'variant' AS asin, 'parent' AS parent_asin`;
    const rows = jsonLines([{ user_id: "u", asin: "variant", parent_asin: "parent" }]);
    for (const options of [
      { inputs: [await parquetFile("asins.parquet", sql)] },
      { inputs: [folder.write("asins.jsonl", rows)], format: "jsonl" as const },
    ]) {
      const result = await prepared(folder, options);
      expect(result.histories).toEqual({ u: ["parent"] });
      expect(warnings(result).join()).toContain('the item is taken from the column "parent_asin", not from "asin"');
    }
  });
});

describe("tables", () => {
  test("without a header, by position; a header that is there is no record", async () => {
    const options = { columns: parseColumns("user=2,item=3,timestamp=1") };
    for (const [name, text] of [
      ["events.csv", "20,u,a\n10,u,b\n"],
      ["events.tsv", "20\tu\ta\n10\tu\tb\n"],
      ["events.txt", "20;u;a;x,y\n10;u;b;z,w\n"],
      ["events.dat", "20|u|a\n10|u|b"],
      ["header.csv", "time,visitorid,itemid\n20,u,a\n10,u,b\n"],
    ]) {
      const result = await prepared(folder, { inputs: [folder.write(name!, text!)], ...options });
      expect(result.histories).toEqual({ u: ["b", "a"] });
      expect(result.manifest.records).toMatchObject({ records: 2, malformed: 0 });
      expect(warnings(result).some((message) => message.includes("first line holds the names"))).toBe(
        name === "header.csv",
      );
    }
    const meta = folder.write("names.txt", "a\tAlpha\nb\tBeta\n");
    const input = folder.write("with-meta.csv", "20,u,a\n");
    const described = await prepared(folder, {
      inputs: [input],
      ...options,
      meta: [meta],
      metaColumns: { item: "1", title: "2" },
    });
    expect(described.titles).toEqual({ a: "Alpha" });
    const beyond = await failure({ inputs: [input], columns: { user: "1", item: "9" } });
    expect(beyond.message).toContain('no column "9" for item: its columns are "1", "2", "3"');
  });

  test("pandas' index column", async () => {
    const input = folder.write("pandas.csv", ',user_id,item_id,text\n0,u,a,"x, y"\n1,v,a,z\n');
    const meta = folder.write("pandas-items.csv", ",item_id,colour\n0,a,red\n");
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(result.reviews).toEqual(["u/a: x, y", "v/a: z"]);
    expect(result.itemTexts).toEqual({ a: "colour: red" });
  });

  test("Latin-1, as text and in JSON", async () => {
    const latin = (text: string) => Buffer.from(text, "latin1");
    const csv = folder.write("latin.csv", latin('user,item,text\nu,a,"Café\n5"" tall"\nv,a,é\n'));
    expect((await failure({ inputs: [csv] })).message).toMatch(/not valid UTF-8 text/);
    expect((await prepared(folder, { inputs: [csv], encoding: "latin-1" })).reviews).toEqual([
      'u/a: Café\n5" tall',
      "v/a: é",
    ]);
    for (const name of ["latin.jsonl", "latin.json", "latin.jsonl.gz"]) {
      const text =
        name === "latin.json"
          ? '[{"user": "u",\n"item": "a", "text": "ü"}]'
          : '{"user": "u", "item": "a", "text": "ü"}\n';
      const input = folder.write(name, name.endsWith("gz") ? zlib.gzipSync(latin(text)) : latin(text));
      expect((await prepared(folder, { inputs: [input], encoding: "latin-1" })).reviews).toEqual(["u/a: ü"]);
    }
  });

  test.each([
    ["book_id", "user_id"],
    ["app_id", "username"],
    ["itemid", "visitorid"],
    ["ISBN", "User-ID"],
    ["Item ID", "user id"],
  ])("%s and %s are known names, in a .txt and a .dat file too", async (item, user) => {
    for (const [name, separator] of [
      ["names.csv", ","],
      ["names.txt", "\t"],
      ["names.dat", ";"],
      ["names", "|"],
    ]) {
      const input = folder.write(name!, `${[item, user, "x"].join(separator)}\n${["a", "u", "1"].join(separator)}\n`);
      const result = await prepared(folder, { inputs: [input] });
      expect(result.histories).toEqual({ u: ["a"] });
      expect(formatOf(result)).toBe(separator === "\t" ? "tsv" : "csv");
    }
  });

  test("columns are enough for a file of any name", async () => {
    const input = folder.write("log.2020", "who;what\nu;a\n");
    expect((await failure({ inputs: [input] })).message).toMatch(/not recognised.*`format`.*`columns`/);
    expect((await prepared(folder, { inputs: [input], columns: { user: "who", item: "what" } })).histories).toEqual({
      u: ["a"],
    });
  });
});

describe("metadata", () => {
  test("each file is recognised by itself", async () => {
    const inputs = [folder.write("Beauty.inter", "user_id:token\titem_id:token\nu\ta\nu\tb\nu\tc\nu\td\nu\te\n")];
    const meta = [
      folder.write("m1.csv", "item_id,title\na,A\n"),
      folder.write("meta_2014.json", "{'asin': 'b', 'title': 'B', 'related': {}}\n"),
      folder.write("m3.jsonl", jsonLines([{ parent_asin: "c", title: "C", store: "S", average_rating: 4 }])),
      folder.write("m4.json", JSON.stringify([{ item: "d", title: "D" }])),
      await parquetFile("m5.parquet", "SELECT 'e' AS item_id, 'E' AS title"),
    ];
    const result = await prepared(folder, { inputs, meta });
    expect(result.titles).toEqual({ a: "A", b: "B", c: "C", d: "D", e: "E" });
    expect(result.events.flatMap((event) => (event.type === "metadata" ? [event.format] : []))).toEqual([
      ...["csv", "amazon-2014", "amazon-2023", "json", "parquet"],
    ]);
    const named = await prepared(folder, { inputs, meta, format: "recbole" });
    expect(named.titles).toEqual(result.titles);
  });

  test("sums of reviews, links and ids are no text", async () => {
    // The fields of Goodreads' books (Wan & McAuley 2018).
    const book = {
      isbn: "0312853122",
      text_reviews_count: "1",
      series: [],
      country_code: "US",
      popular_shelves: [{ count: "3", name: "to-read" }],
      average_rating: "4.00",
      similar_books: ["7", "8"],
      description: "A tale.",
      format: "Paperback",
      link: "https://www.goodreads.com/book/show/5333265",
      num_pages: "256",
      publisher: "St. Martin's Press",
      image_url: "https://images.gr-assets.com/1.jpg",
      book_id: "5333265",
      ratings_count: "3",
      work_id: "5400751",
      title: "W.C. Fields",
      cover: "//images.example/x.png",
      homepage: "www.example.org/x",
    };
    const input = folder.write("gr.csv", "user_id,book_id\nu,5333265\n");
    const meta = folder.write("books.json", jsonLines([book]));
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(result.itemTexts["5333265"]).toBe(
      "W.C. Fields. country code: US. description: A tale. format: Paperback. num pages: 256. publisher: St. " +
        "Martin's Press",
    );
    const [warning] = warnings(result);
    for (const name of [
      "average_rating",
      "ratings_count",
      "text_reviews_count",
      "similar_books",
      "link",
      "image_url",
    ]) {
      expect(warning).toContain(name);
    }
  });
});

describe("files that are not read are named as what they are", () => {
  let kinds: [string, Buffer, RegExp][] = [];
  beforeAll(() => {
    const tar = Buffer.alloc(1024);
    tar.write("x.csv", 0);
    tar.write("ustar", 257);
    kinds = [
      ["a.zip", Buffer.from("PK\x03\x04rest", "latin1"), /a\.zip is a zip archive\. Unpack it first/],
      ["a.csv", Buffer.from("PK\x03\x04rest", "latin1"), /a\.csv is a zip archive/],
      ["a.xlsx", Buffer.from("PK\x03\x04rest", "latin1"), /is an Excel workbook\. Save its sheet as CSV/],
      ["a.npz", Buffer.from("PK\x03\x04rest", "latin1"), /is a NumPy archive.*Name the folder/],
      ["a.bz2", Buffer.from("BZh91AY&SY", "latin1"), /is a bzip2 file/],
      ["a.xz", Buffer.from("\xfd7zXZ\x00\x00", "latin1"), /is an xz file/],
      ["a.7z", Buffer.from("7z\xbc\xaf\x27\x1c", "latin1"), /is a 7z archive/],
      ["a.tar", tar, /is a tar archive/],
      ["a.tar.gz", zlib.gzipSync(tar), /a\.tar\.gz is a tar archive/],
      ["a.db", Buffer.from("SQLite format 3\x00", "latin1"), /is an SQLite database/],
    ];
  });

  test("as input, as metadata, with and without a format", async () => {
    const input = folder.write("fine.csv", "user,item\nu,a\n");
    for (const [name, content, message] of kinds) {
      const file = folder.write(name, content);
      expect((await failure({ inputs: [file] })).message).toMatch(message);
      expect((await failure({ inputs: [file], format: "csv" })).message).toMatch(message);
      expect((await failure({ inputs: [input], meta: [file] })).message).toMatch(message);
    }
  });

  test("errors name options in backticks and list them", async () => {
    const error = await failure({ inputs: [folder.write("x.csv", "a,b\n1,2\n")] });
    expect(error.options).toEqual(["columns"]);
    for (const option of error.options) expect(error.message).toContain(`\`${option}\``);
    expect(error.message).not.toMatch(/--[a-z]/);
  });
});
