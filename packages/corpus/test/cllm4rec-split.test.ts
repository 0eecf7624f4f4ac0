// The paper's own split from the raw file, against Python and NumPy (test/oracle/cllm4rec_split.py) and against the
// released matrices.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import zlib from "node:zlib";
import { csrRow, Dataset, prepare } from "@cllm4rec/corpus";
import { sharedPath } from "@cllm4rec/testing";
import { describe, expect, test } from "vitest";
import { PythonRandom } from "../src/random/python-random.js";
import { readMatrices } from "../src/readers/matrices.js";
import { jsonLines, temporaryFolder } from "./prepared.js";

type Triple = readonly [user: number, item: number, part: string];
interface Split {
  readonly users: readonly string[];
  readonly items: readonly string[];
  readonly triples: readonly Triple[];
}
interface Goldens {
  readonly records: readonly (readonly [user: string, item: string, rating: number, time: number])[];
  readonly splits: Readonly<Record<string, Split>>;
  readonly instruments: Readonly<Record<"users" | "items" | "train" | "validation" | "test", number>> & {
    readonly first: readonly [readonly string[], readonly string[]];
    readonly sha256: string;
  };
}

const goldens: Goldens = JSON.parse(fs.readFileSync(new URL("fixtures/cllm4rec-split.json", import.meta.url), "utf8"));
const folder = temporaryFolder();
const data = sharedPath("data");

/** Everything about a dataset's split: raw ids by index and sorted triples. */
async function splitOf(directory: string): Promise<Split> {
  const dataset = await Dataset.open(directory);
  const [users, items] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
  const triples: Triple[] = [];
  for (const part of ["train", "validation", "test"] as const) {
    const csr = await dataset.interactions(part);
    for (let user = 0; user < users.length; user++) {
      for (const item of csrRow(csr, user)) triples.push([user, item, part]);
    }
  }
  dataset.close();
  return { users, items, triples: triples.sort((a, b) => a[0] - b[0] || a[1] - b[1]) };
}

function reviewsFile(name: string, records: Goldens["records"]): string {
  const objects = records.map(([reviewerID, asin, overall, unixReviewTime], k) => ({
    ...{ reviewerID, asin, overall, unixReviewTime },
    reviewText: `review ${k}`,
  }));
  return folder.write(name, jsonLines(objects));
}

test.each(Object.entries(goldens.splits))(
  "users, items and parts as Python and NumPy give them, seed %s",
  async (seed, golden) => {
    const output = path.join(folder.path, `seed-${seed}`);
    const input = reviewsFile(`seed-${seed}.json`, goldens.records);
    const given = seed === "98765" ? {} : { seed: Number(seed) };
    const manifest = await prepare({ inputs: [input], output, split: "cllm4rec", ...given });
    expect(manifest.preparation).toMatchObject({ split: "cllm4rec", seed: Number(seed), minRating: 3, core: 5 });
    expect(await splitOf(output)).toEqual(golden);
  },
);

test("reviews are those of training pairs", async () => {
  const output = path.join(folder.path, "reviews");
  await prepare({ inputs: [reviewsFile("reviews.json", goldens.records)], output, split: "cllm4rec" });
  const dataset = await Dataset.open(output);
  const { users, items, triples } = goldens.splits[98765]!;
  const of = new Map(goldens.records.map(([user, item], k) => [`${user} ${item}`, `review ${k}`]));
  const read: string[] = [];
  for await (const { user, item, text } of dataset.trainReviews()) {
    expect(text).toBe(of.get(`${users[user]} ${items[item]}`));
    read.push(`${user} ${item}`);
  }
  dataset.close();
  const train = triples.filter(([, , part]) => part === "train").map(([user, item]) => `${user} ${item}`);
  expect(read.toSorted()).toEqual(train.toSorted());
});

test("what the rule cannot take is refused before anything is read, or named", async () => {
  const input = reviewsFile("refused.json", goldens.records);
  const output = path.join(folder.path, "refused");
  const split = "cllm4rec" as const;
  const refused = (options: object) => expect(prepare({ inputs: [input], output, split, ...options })).rejects;
  await refused({ testShare: 0.2 }).toThrow(/^testShare is 0.2: with the split cllm4rec, .* no share is expected$/);
  await refused({ seed: 2 ** 32 }).toThrow(
    "seed is 4294967296: with the split cllm4rec an integer in [0, 2^32) is expected",
  );
  await refused({ core: 2 }).toThrow("core is 2: with the split cllm4rec at least 3 is expected");
  const untimed = folder.write("untimed.csv", goldens.records.map((record) => record.slice(0, 3).join()).join("\n"));
  const csv = folder.write("untimed-header.csv", `user,item,rating\n${fs.readFileSync(untimed, "utf8")}`);
  await refused({ inputs: [csv] }).toThrow(`${csv} has no times to split by.`);
  const [first, ...others] = goldens.records;
  const partly = folder.write(
    "partly.csv",
    ["user,item,rating,timestamp", first!.slice(0, 3).concat("").join(), ...others.map((record) => record.join())].join(
      "\n",
    ),
  );
  await refused({ inputs: [partly] }).toThrow(
    `${partly}: 1 of 1600 records have no time, and the split cllm4rec sorts by time.`,
  );
  expect(fs.existsSync(output)).toBe(false);
});

test("repeated pairs, which the authors' code counts twice, are a warning", async () => {
  const [user, item] = goldens.records[0]!;
  const input = reviewsFile("repeated.json", [...goldens.records, [user, item, 5, 2e9]]);
  const warnings: string[] = [];
  await prepare({
    inputs: [input],
    output: path.join(folder.path, "repeated"),
    split: "cllm4rec",
    onEvent: (event) => event.type === "warning" && warnings.push(event.message),
  });
  expect(warnings).toEqual([expect.stringMatching(/^1 records repeat a \(user, item\) pair/)]);
});

describe.skipIf(data === undefined)("real data", () => {
  test("Musical Instruments from the raw reviews: every index and part", async () => {
    const output = path.join(folder.path, "instruments");
    const input = path.join(data ?? "", "amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz");
    const { sha256, first, ...counts } = goldens.instruments;
    expect(await prepare({ inputs: [input], output, split: "cllm4rec" })).toMatchObject(counts);
    const { users, items, triples } = await splitOf(output);
    expect([users.slice(0, 3), items.slice(0, 3)]).toEqual(first);
    const text = [...users, ...items, ...triples.map((triple) => triple.join(" "))].join("\n");
    expect(createHash("sha256").update(text).digest("hex")).toBe(sha256);
  });

  const beauty = path.join(data ?? "", "amazon-beauty-cllm4rec");

  /** [I] the users of the released split in the order of the raw file: Python's shuffle undone. */
  function fileOrder(users: number): Int32Array {
    const shuffled = Int32Array.from({ length: users }, (_, k) => k);
    new PythonRandom(98765).shuffle(shuffled);
    const order = new Int32Array(users);
    for (const [index, place] of shuffled.entries()) order[place] = index;
    return order;
  }

  test("Beauty: from the known order, all but one of 10,477 users have exactly the released split", async () => {
    const { users, parts } = await readMatrices(beauty);
    // A raw file as far as it is known: users in the order that undoing Python's shuffle gives, their items by time.
    const known = new Map<number, number[]>();
    for (const line of unzipped("order.csv.gz").slice(1)) {
      const [user, item, position] = line.split(",").map(Number);
      const own = known.get(user!) ?? [];
      known.set(user!, own);
      own[position!] = item!;
    }
    const released = Array.from({ length: users }, (_, user) =>
      (["train", "validation", "test"] as const).map((part) =>
        Array.from(csrRow(parts[part], user)).sort((a, b) => a - b),
      ),
    );
    const complete = new Set<number>();
    const records: [string, string, number, number][] = [];
    for (const user of fileOrder(users)) {
      const items = released[user]!.flat().sort((a, b) => a - b);
      const own = known.get(user)?.filter((item) => item !== undefined) ?? [];
      if (own.length === items.length) complete.add(user);
      // Where not all positions are known, any order that keeps first appearances stands in.
      for (const [k, item] of (complete.has(user) ? own : items).entries())
        records.push([`u${user}`, `i${item}`, 5, k]);
    }
    const output = path.join(folder.path, "beauty");
    const manifest = await prepare({ inputs: [reviewsFile("beauty.json", records)], output, split: "cllm4rec" });
    expect(manifest).toMatchObject({ users: 10_553, items: 6_086, train: 70_614, validation: 11_767, test: 11_767 });
    const made = await splitOf(output);
    expect(made.users).toEqual(Array.from({ length: users }, (_, user) => `u${user}`));
    expect(made.items).toEqual(Array.from({ length: manifest.items }, (_, item) => `i${item}`));
    const own: number[][][] = Array.from({ length: users }, () => [[], [], []]);
    for (const [user, item, part] of made.triples)
      own[user]![["train", "validation", "test"].indexOf(part)]!.push(item);
    expect(complete.size).toBe(10_477);
    const different = [...complete].filter((user) => JSON.stringify(own[user]) !== JSON.stringify(released[user]));
    expect(different).toEqual([9_703]);
  });

  test("Beauty: undoing Python's shuffle brings the users back into the order of the file, which is sorted by item", async () => {
    const { users, parts } = await readMatrices(beauty);
    const asins = new Map(
      unzipped("items.jsonl.gz")
        .map((line) => JSON.parse(line))
        .map(({ item, asin }) => [item, asin]),
    );
    const histories = Array.from({ length: users }, (_, user) =>
      (["train", "validation", "test"] as const).flatMap((part) => Array.from(csrRow(parts[part], user))),
    );
    const firstAsin = (user: number): string => histories[user]!.map((item) => asins.get(item) ?? "~").sort()[0]!;
    const neighbours = (order: ArrayLike<number>) =>
      Array.from(order).filter(
        (user, k) => k > 0 && histories[user]!.some((item) => histories[order[k - 1]!]!.includes(item)),
      ).length;
    const stored = Array.from({ length: users }, (_, user) => user);
    const undone = fileOrder(users);
    expect([neighbours(stored), neighbours(undone)]).toEqual([277, 7_431]);
    // The others' first positive review is of an item that is not in the 5-core.
    expect([longestAscent(stored.map(firstAsin)), longestAscent(Array.from(undone, firstAsin))]).toEqual([224, 9_555]);
  });

  function unzipped(name: string): string[] {
    return zlib
      .gunzipSync(fs.readFileSync(path.join(beauty, name)))
      .toString("utf8")
      .trimEnd()
      .split("\n");
  }
});

/** Length of the longest subsequence that never falls. */
function longestAscent(values: readonly string[]): number {
  const ends: string[] = [];
  for (const value of values) {
    const at = ends.findIndex((end) => end > value);
    ends[at < 0 ? ends.length : at] = value;
  }
  return ends.length;
}
