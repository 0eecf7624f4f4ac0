// Every format from a small file of its own: recognised, read, described; several files at once; gzip and zstd.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { type FormatName, prepare } from "@cllm4rec/corpus";
import { DuckDBInstance } from "@duckdb/node-api";
import { describe, expect, test } from "vitest";
import { FORMATS } from "../src/readers/reader.js";
import { jsonLines, type Prepared, prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

const format = (result: Prepared) => result.events.find((event) => event.type === "format");
const recognised = (name: FormatName) => ({ type: "format", format: name, detected: true });

describe("amazon", () => {
  const review2014 = (user: string, item: string, time: number, text = "") => ({
    reviewerID: user,
    asin: item,
    helpful: [0, 0],
    reviewText: text,
    overall: 5.0,
    summary: "s",
    unixReviewTime: time,
  });

  test("2014: reviews, and metadata as Python literals", async () => {
    const input = folder.write(
      "reviews_X.json",
      jsonLines([review2014("u", "b", 20, "second"), review2014("u", "a", 10, "first\nline"), review2014("v", "a", 5)]),
    );
    const meta = folder.write(
      "meta_X.json",
      `{'asin': 'a', 'title': "Joe's \\"Best\\" Cable", 'price': 9.5, 'brand': 'Caf\\xe9', 'categories': ` +
        "[['Music', 'Cables']], 'related': {'also_bought': ['b']}}\n" +
        "{'asin': 'b', 'description': 'It\\'s\\tgood.', 'salesRank': {'Music': 3L}, 'imUrl': None}\n{'asin': " +
        "'unknown'}\n",
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(format(result)).toEqual(recognised("amazon-2014"));
    expect(result.histories).toEqual({ u: ["a", "b"], v: ["a"] });
    expect(result.reviews).toEqual(["u/a: first\nline", "u/b: second"]);
    expect(result.titles).toEqual({ a: `Joe's "Best" Cable`, b: null });
    expect(result.itemTexts).toEqual({ a: `Joe's "Best" Cable. Café. Music, Cables`, b: "It's good." });
    expect(result.manifest.records).toMatchObject({ records: 3, metadata: 3, metadataUnused: 1, metadataMalformed: 0 });
  });

  test("2014: reviews as Python literals", async () => {
    const input = folder.write(
      "loose.json",
      `{'reviewerID': 'u', 'asin': 'a', 'overall': 5.0, 'unixReviewTime': 7, 'reviewText': u"it's \\u00fcber"}\n\n` +
        "{'reviewerID': 'v', 'asin': 'a', 'overall': 2.0}\n",
    );
    const result = await prepared(folder, { inputs: [input], minRating: 3 });
    expect(format(result)).toEqual(recognised("amazon-2014"));
    expect(result.reviews).toEqual(["u/a: it's über"]);
    expect(result.manifest.records).toMatchObject({ records: 2, belowRating: 1 });
  });

  test("ratings only: user first in 2014, item first in 2018", async () => {
    const first = folder.write(
      "ratings_X.csv",
      "A1234567890,0123456789,5.0,1369699200\nA1234567891,0123456789,1.0,1369699201\n",
    );
    const of2014 = await prepared(folder, { inputs: [first] });
    expect(format(of2014)).toEqual(recognised("amazon-2014"));
    expect(of2014.histories).toEqual({ A1234567890: ["0123456789"], A1234567891: ["0123456789"] });
    const second = folder.write("X.csv", "0123456789,A1234567890,5.0,1369699200\n");
    const of2018 = await prepared(folder, { inputs: [second] });
    expect(format(of2018)).toEqual(recognised("amazon-2018"));
    expect(of2018.histories).toEqual({ A1234567890: ["0123456789"] });
  });

  test("2018: lists in metadata", async () => {
    const input = folder.write(
      "X_5.json",
      jsonLines([{ ...review2014("u", "a", 1), verified: true, style: { "Size:": "L" } }]),
    );
    const meta = folder.write(
      "meta_X2018.json",
      jsonLines([
        {
          asin: "a",
          title: "T",
          brand: "B",
          category: ["C", "D", "C"],
          feature: ["f."],
          description: ["x", "y"],
          also_buy: ["b"],
        },
      ]),
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(format(result)).toEqual(recognised("amazon-2018"));
    expect(result.itemTexts).toEqual({ a: "T. B. C, D. f. x y" });
  });

  test("2023: parent_asin, milliseconds, and the benchmark CSV", async () => {
    const review = (item: string, timestamp: number) => ({
      rating: 4.0,
      title: "t",
      text: `on ${item}`,
      asin: `variant-of-${item}`,
      parent_asin: item,
      user_id: "u",
      timestamp,
    });
    const input = folder.write("X.jsonl", jsonLines([review("b", 1588687728923), review("a", 1588687728000)]));
    const meta = folder.write(
      "meta_X.jsonl",
      jsonLines([
        {
          parent_asin: "a",
          title: "A",
          store: "S",
          average_rating: 4.5,
          features: [],
          description: [],
          categories: ["C"],
        },
      ]),
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(format(result)).toEqual(recognised("amazon-2023"));
    expect(result.histories).toEqual({ u: ["a", "b"] });
    expect(result.itemTexts).toEqual({ a: "A. S. C", b: null });
    const csv = folder.write("X2023.csv", "user_id,parent_asin,rating,timestamp,history\nu,b,5.0,1588687728923,a c\n");
    const benchmark = await prepared(folder, { inputs: [csv] });
    expect(format(benchmark)).toEqual(recognised("amazon-2023"));
    expect(benchmark.histories).toEqual({ u: ["b"] });
  });
});

test("yelp: reviews, businesses and users; dates become times", async () => {
  const review = (user: string, business: string, date: string) => ({
    review_id: `${user}${business}`,
    user_id: user,
    business_id: business,
    stars: 5,
    useful: 1,
    text: `at ${business}`,
    date,
  });
  const input = folder.write(
    "yelp_academic_dataset_review.json",
    jsonLines([review("u", "b", "2018-07-07 22:09:11"), review("u", "a", "2012-01-03 15:28:18")]),
  );
  const business = folder.write(
    "business.json",
    jsonLines([
      {
        business_id: "a",
        name: "Abe's",
        city: "Tucson",
        state: "AZ",
        stars: 5,
        review_count: 7,
        categories: "Doctors, Spas",
      },
    ]),
  );
  const user = folder.write(
    "user.json",
    jsonLines([
      { user_id: "u", name: "Walker", review_count: 5, yelping_since: "2007-01-25 16:47:26", elite: "2007,2008" },
    ]),
  );
  const result = await prepared(folder, { inputs: [input], meta: [business, user] });
  expect(format(result)).toEqual(recognised("yelp"));
  expect(result.histories).toEqual({ u: ["a", "b"] });
  expect(result.itemTexts).toEqual({ a: "Abe's. Doctors, Spas. Tucson, AZ", b: null });
  expect(result.userTexts).toEqual({ u: "Yelping since: 2007. Elite in: 2007, 2008" });
});

describe("movielens", () => {
  test("ml-100k as a folder: tabs, Latin-1 titles, genre flags", async () => {
    folder.write("ml-100k/u.data", "196\t242\t3\t881250949\n9\t242\t5\t1\n196\t302\t4\t881250950\n");
    const flags = (...on: number[]) => Array.from({ length: 19 }, (_, k) => (on.includes(k) ? 1 : 0)).join("|");
    const item = folder.write(
      "ml-100k/u.item",
      Buffer.from(
        `242|Kolya (1996)|24-Jan-1997||http://x|${flags(5)}\n302|Les Misérables|1995|||${flags(8, 14)}\n`,
        "latin1",
      ),
    );
    const user = folder.write("ml-100k/u.user", "196|49|M|writer|55105\n9|29|M|student|01002\n");
    const result = await prepared(folder, { inputs: [path.join(folder.path, "ml-100k")], meta: [item, user] });
    expect(format(result)).toEqual(recognised("movielens"));
    // Raw ids that are all integers are numbered by value.
    expect(Object.keys(result.histories)).toEqual(["9", "196"]);
    expect(result.itemTexts).toEqual({
      242: "Kolya (1996). Genres: Comedy",
      302: "Les Misérables. Genres: Drama, Romance",
    });
    expect(result.userTexts[9]).toBe("Age: 29. Gender: M. Occupation: student");
  });

  test("ml-1m: double colons, coded ages and occupations", async () => {
    const input = folder.write("ml-1m/ratings.dat", "1::1193::5::978300760\n1::661::3::978302109\n");
    const movies = folder.write(
      "ml-1m/movies.dat",
      "1193::One Flew Over (1975)::Drama\n661::James: The Peach::Animation|Children's\n",
    );
    const users = folder.write("ml-1m/users.dat", "1::F::1::10::48067\n");
    const result = await prepared(folder, { inputs: [input], meta: [movies, users] });
    expect(format(result)).toEqual(recognised("movielens"));
    expect(result.titles[661]).toBe("James: The Peach");
    expect(result.itemTexts[661]).toBe("James: The Peach. Genres: Animation, Children's");
    expect(result.userTexts[1]).toBe("Age: under 18. Gender: F. Occupation: K-12 student");
  });

  test("ml-latest: CSV with quoted titles", async () => {
    const input = folder.write(
      "ratings.csv",
      "userId,movieId,rating,timestamp\r\n1,11,4.5,964982703\r\n1,2,0.5,964981247\r\n",
    );
    const movies = folder.write(
      "movies.csv",
      'movieId,title,genres\r\n11,"American President, The (1995)",Comedy|Drama\r\n2,"A ""B""",(no genres listed)\r\n',
    );
    const result = await prepared(folder, { inputs: [input], meta: [movies] });
    expect(format(result)).toEqual(recognised("movielens"));
    expect(result.histories).toEqual({ 1: ["2", "11"] });
    expect(result.itemTexts).toEqual({ 2: 'A "B"', 11: "American President, The (1995). Genres: Comedy, Drama" });
  });
});

describe("recbole", () => {
  test("atomic files: typed header, quotes are text", async () => {
    const input = folder.write(
      "x.inter",
      'user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\t"b\t4\t2\nu\ta\t5\t1\n',
    );
    const item = folder.write(
      "x.item",
      'item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\na\tToy "Story\t1995\tComedy ' +
        'Drama\n"b\t\t\t\n',
    );
    const user = folder.write("x.user", "user_id:token\tage:token\nu\t24\n");
    const result = await prepared(folder, { inputs: [input], meta: [item, user] });
    expect(format(result)).toEqual(recognised("recbole"));
    expect(result.histories).toEqual({ u: ["a", '"b'] });
    expect(result.titles).toEqual({ '"b': null, a: 'Toy "Story' });
    expect(result.itemTexts.a).toBe('Toy "Story. release year: 1995. class: Comedy Drama');
    expect(result.userTexts).toEqual({ u: "age: 24" });
  });

  test("histories with a target; a history may be empty", async () => {
    const input = folder.write(
      "y.inter",
      "user_id:token\titem_id_list:token_seq\titem_id:token\nu\tc a b\td\nv\t\ta\n",
    );
    const result = await prepared(folder, { inputs: [input] });
    expect(result.histories).toEqual({ u: ["c", "a", "b", "d"], v: ["a"] });
    expect(result.manifest.records.records).toBe(5);
  });
});

describe("sequences", () => {
  test("s3rec: one user a line, order kept", async () => {
    const input = folder.write("Beauty.txt", "1 30 20 10\n2 10 40 30\n");
    const result = await prepared(folder, { inputs: [input], split: "leave-one-out" });
    expect(format(result)).toEqual(recognised("s3rec"));
    expect(result.histories).toEqual({ 1: ["30", "20", "10"], 2: ["10", "40", "30"] });
    expect(result.manifest).toMatchObject({ train: 2, validation: 2, test: 2 });
  });

  test("one JSON object, and metadata by item", async () => {
    const input = folder.write("X.inter.json", '{"0": [2, 0, 1], "7": [1]}');
    const meta = folder.write(
      "X.item.json",
      JSON.stringify({ 0: { title: "T", description: "D", brand: "B", categories: "C,E" }, 9: {} }),
    );
    const result = await prepared(folder, { inputs: [input], meta: [meta] });
    expect(format(result)).toEqual(recognised("sequences-json"));
    expect(result.histories).toEqual({ 0: ["2", "0", "1"], 7: ["1"] });
    expect(result.itemTexts[0]).toBe("T. B. C,E. D");
  });
});

describe("generic files by a column mapping", () => {
  const columns = { user: "uid", item: "sku", rating: "stars", timestamp: "when", text: "body" };

  test("CSV with quotes, separators and line ends in fields", async () => {
    const input = folder.write(
      "g.csv",
      'sku,"uid",stars,when,body,more\na,u,5,2020-01-02,"x, ""y""\nz",1\nb,u,4,2020-01-01,,\n',
    );
    const meta = folder.write("g-items.csv", "sku;colour;name\na;red;Alpha\nb;;Beta\n");
    const result = await prepared(folder, { inputs: [input], meta: [meta], columns });
    expect(format(result)).toEqual(recognised("csv"));
    expect(result.histories).toEqual({ u: ["b", "a"] });
    expect(result.reviews).toEqual(['u/a: x, "y"\nz']);
    expect(result.itemTexts).toEqual({ a: "Alpha. colour: red", b: "Beta" });
    expect(result.manifest.provenance.columns).toEqual(columns);
  });

  test("TSV by the usual names, with metadata columns named", async () => {
    const input = folder.write("g.tsv", "user_id\titem_id\nu\ta\nv\ta\n");
    const meta = folder.write("people.tsv", "who\tbio\tsecret\nu\tlikes tea\tx\n");
    const result = await prepared(folder, { inputs: [input], meta: [meta], metaColumns: { user: "who", text: "bio" } });
    expect(format(result)).toEqual(recognised("tsv"));
    expect(result.userTexts).toEqual({ u: "likes tea", v: null });
  });

  test("JSON lines with numbers as ids", async () => {
    const input = folder.write(
      "g.jsonl",
      jsonLines([{ uid: 7, sku: 1.5, stars: "4", when: "2020-01-01T00:00:00Z", body: "b" }]),
    );
    const result = await prepared(folder, { inputs: [input], columns });
    expect(format(result)).toEqual(recognised("jsonl"));
    expect(result.reviews).toEqual(["7/1.5: b"]);
  });

  test("a JSON array, on one line or many, and objects over several lines", async () => {
    const objects = [
      { uid: 7, sku: "a", stars: 5, when: 20, body: "second" },
      { uid: 7, sku: "b", stars: 4, when: 10, body: 'with {"brackets"] and \\\\ \\"' },
    ];
    const meta = folder.write("g-items.json", JSON.stringify([{ item_id: "a", name: "Alpha" }], null, 2));
    const forms = [
      JSON.stringify(objects),
      JSON.stringify(objects, null, 2),
      objects.map((object) => JSON.stringify(object, null, 2)).join("\n"),
    ];
    for (const [k, form] of forms.entries()) {
      for (const zipped of [false, true]) {
        const name = `g${k}.json${zipped ? ".gz" : ""}`;
        const input = folder.write(name, zipped ? zlib.gzipSync(form) : form);
        const result = await prepared(folder, { inputs: [input], meta: [meta], columns });
        expect(format(result)).toEqual(recognised("json"));
        expect(result.histories).toEqual({ 7: ["b", "a"] });
        expect(result.reviews).toEqual([`7/b: ${objects[1]!.body}`, "7/a: second"]);
        expect(result.titles).toEqual({ a: "Alpha", b: null });
      }
    }
  });

  test("Parquet, metadata too", async () => {
    const instance = await DuckDBInstance.create(":memory:");
    const connection = await instance.connect();
    const input = path.join(folder.path, "g.parquet");
    const meta = path.join(folder.path, "g-items.parquet");
    await connection.run(
      `COPY (SELECT 1::BIGINT AS uid, 'a' AS sku, 4.5::FLOAT AS stars, TIMESTAMP '2020-01-01' AS "when", 'b' AS ` +
        `body) TO '${input}'`,
    );
    await connection.run(`COPY (SELECT 'a' AS item_id, 'Alpha' AS title) TO '${meta}'`);
    connection.closeSync();
    const result = await prepared(folder, { inputs: [input], meta: [meta], columns });
    expect(format(result)).toEqual(recognised("parquet"));
    expect(result.reviews).toEqual(["1/a: b"]);
    expect(result.titles).toEqual({ a: "Alpha" });
  });
});

test("every named format has a test here or in matrices.test.ts", () => {
  const source = fs.readFileSync(new URL(import.meta.url), "utf8");
  const tested = FORMATS.filter((name) => source.includes(`recognised("${name}")`));
  // A folder tells these two, not a file.
  expect([...tested, "matrices", "lightgcn"].sort()).toEqual([...FORMATS].sort());
});

describe("several files and compression", () => {
  const lines = (first: number, count: number) =>
    jsonLines(
      Array.from({ length: count }, (_, k) => ({
        user: `u${(first + k) % 7}`,
        item: `i${first + k}`,
        timestamp: first + k,
        text: `t${first + k}`,
      })),
    );

  test("plain, gzip (two members) and zstd together are the same as one file, whatever their names", async () => {
    const whole = folder.write("whole.jsonl", lines(0, 400));
    const parts = [
      folder.write("part1.jsonl", lines(0, 100)),
      folder.write("part2.jsonl", Buffer.concat([zlib.gzipSync(lines(100, 50)), zlib.gzipSync(lines(150, 50))])),
    ];
    if (hasZstd()) {
      const raw = folder.write("part3.jsonl", lines(200, 200));
      execFileSync("zstd", ["-q", "-f", raw, "-o", path.join(folder.path, "part3.zst")]);
      parts.push(path.join(folder.path, "part3.zst"));
    } else {
      console.warn("no zstd command on this machine: zstd is tested by its committed fixture alone");
      parts.push(folder.write("part3.jsonl.gz", zlib.gzipSync(lines(200, 200))));
    }
    const one = await prepared(folder, { inputs: [whole] });
    const many = await prepared(folder, { inputs: parts, format: "jsonl" });
    expect(many.manifest.files).toEqual(one.manifest.files);
    expect(many.manifest.provenance.inputs.map(({ name }) => name)).toHaveLength(3);
  });

  test("zstd from a committed fixture", async () => {
    const result = await prepared(folder, {
      inputs: [fileURLToPath(new URL("fixtures/tiny.jsonl.zst", import.meta.url))],
    });
    expect(result.reviews).toEqual(["u/a: first", "v/b: zweite ü"]);
  });

  test("the same bytes for any number of threads", async () => {
    // More rows than one Parquet row group holds.
    const big = folder.write("big.jsonl", lines(0, 130_000));
    const files = [];
    for (const threads of [1, 2, 4]) {
      const output = path.join(folder.path, `threads-${threads}`);
      files.push((await prepare({ inputs: [big], output, core: 0, threads })).files);
    }
    expect(files[1]).toEqual(files[0]);
    expect(files[2]).toEqual(files[0]);
  });
});

function hasZstd(): boolean {
  try {
    execFileSync("zstd", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}
