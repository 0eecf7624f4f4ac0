// Real input: the counts that the sources state, and the paper's Table 3. Skips where the data do not lie beside the
// checkout.
import fs from "node:fs";
import path from "node:path";
import { csrRow, Dataset } from "@cllm4rec/corpus";
import { sharedPath } from "@cllm4rec/testing";
import { describe, expect, test } from "vitest";
import { heldOutCounts } from "../src/prepare/split.js";
import { prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();
const data = sharedPath("data");
const input = (relative: string) => path.join(data ?? "", relative);

describe.skipIf(data === undefined)("real data", () => {
  const instruments = () => input("amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz");

  test("Musical Instruments: raw, after ratings > 3, after the 5-core", async () => {
    const raw = await prepared(folder, { inputs: [instruments()] });
    expect(raw.events[0]).toEqual({ type: "format", format: "amazon-2014", detected: true });
    expect(raw.manifest).toMatchObject({ interactions: 10_261, users: 1_429, items: 900 });
    expect(raw.manifest.records).toMatchObject({ records: 10_261, malformed: 0, duplicates: 0 });
    const positive = await prepared(folder, { inputs: [instruments()], minRating: 3 });
    expect(positive.manifest.interactions).toBe(9_022);
    const core = await prepared(folder, {
      inputs: [instruments()],
      minRating: 3,
      core: 5,
      validationShare: 0.1,
      testShare: 0.1,
    });
    expect(core.manifest).toMatchObject({ interactions: 3_615, users: 526, items: 347 });
    for (const history of Object.values(core.histories)) expect(history.length).toBeGreaterThanOrEqual(5);
    const { train, validation, test: held } = core.manifest;
    expect(validation).toBe(held);
    expect(train + validation + held).toBe(3_615);
  });

  test("the text of held-out interactions never reaches the training reviews", async () => {
    const output = path.join(folder.path, "leak");
    const all = new Map<string, string>();
    for (const line of (await lines(instruments())).filter((text) => text !== "")) {
      const review = JSON.parse(line);
      all.set(`${review.reviewerID} ${review.asin}`, review.reviewText);
    }
    const { prepare } = await import("@cllm4rec/corpus");
    await prepare({ inputs: [instruments()], output });
    const dataset = await Dataset.open(output);
    const [users, items] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
    const pairsOf = async (split: "train" | "validation" | "test") => {
      const csr = await dataset.interactions(split);
      return users.flatMap((raw, user) => Array.from(csrRow(csr, user), (item) => `${raw} ${items[item]}`));
    };
    const train = new Set(await pairsOf("train"));
    const heldOut = [...(await pairsOf("validation")), ...(await pairsOf("test"))];
    expect(heldOut.filter((pair) => train.has(pair))).toEqual([]);
    const streamed = new Map<string, string>();
    for await (const { user, item, text } of dataset.trainReviews())
      streamed.set(`${users[user]} ${items[item]}`, text);
    dataset.close();
    expect([...streamed.keys()].filter((pair) => !train.has(pair))).toEqual([]);
    for (const [pair, text] of streamed) expect(text).toBe(all.get(pair));
    const withText = [...train].filter((pair) => all.get(pair)!.trim() !== "");
    expect(streamed.size).toBe(withText.length);
    const texts = new Set(streamed.values());
    const trainTexts = new Set([...train].map((pair) => all.get(pair)));
    for (const pair of heldOut) {
      const text = all.get(pair)!;
      if (!trainTexts.has(text)) expect(texts.has(text)).toBe(false);
    }
  });

  test("AM-Beauty: Table 3's row exactly, the released split kept, and our shares agree with it for every user", async () => {
    const result = await prepared(folder, {
      inputs: [input("amazon-beauty-cllm4rec")],
      meta: [input("amazon-beauty-cllm4rec/item_text.jsonl")],
    });
    expect(result.manifest).toMatchObject({
      users: 10_553,
      items: 6_086,
      interactions: 94_148,
      train: 70_614,
      validation: 11_767,
      test: 11_767,
    });
    expect((result.manifest.statistics.sparsity * 100).toFixed(2)).toBe("99.85");
    expect(result.manifest.statistics.itemTexts).toBe(6_086);
    expect(result.itemTexts[1]).toBe("Beauty, Skin Care, Health, Acne Treatment, Spot Treatment, Medication");
    let [validation, held] = [0, 0];
    for (const { length } of Object.values(result.histories)) {
      const counts = heldOutCounts(length, 0.1, 0.1);
      validation += counts.validation;
      held += counts.test;
    }
    expect([validation, held]).toEqual([11_767, 11_767]);
  });

  test("MovieLens-100K in RecBole's layout", async () => {
    const result = await prepared(folder, {
      inputs: [input("movielens-100k")],
      meta: [input("movielens-100k/ml-100k.item"), input("movielens-100k/ml-100k.user")],
    });
    expect(result.manifest).toMatchObject({ users: 943, items: 1_682, interactions: 100_000 });
    expect(result.manifest.records).toMatchObject({ malformed: 0, metadataMalformed: 0, metadataUnused: 0 });
    expect(result.itemTexts[1]).toBe("Toy Story. release year: 1995. class: Animation Children's Comedy");
    expect(result.userTexts[1]).toBe("age: 24. gender: M. occupation: technician. zip code: 85711");
  });

  test("sequences: Video Games, Scientific, Beauty and Toys", async () => {
    const games = await prepared(folder, {
      inputs: [input("amazon-video-games/Games-6k.test.inter")],
      meta: [input("amazon-video-games/Games.item")],
    });
    expect(games.titles[0]).toBe("Fire Emblem: The Sacred Stones");
    expect(games.manifest.records).toMatchObject({ malformed: 0, metadataMalformed: 0, metadata: 16_859 });
    const scientific = await prepared(folder, {
      inputs: [input("amazon-scientific/Scientific.inter.json")],
      meta: [input("amazon-scientific/Scientific.item.json")],
    });
    expect(scientific.manifest).toMatchObject({ users: 8_317, items: 4_344, interactions: 58_492 });
    expect(scientific.titles[1]).toMatch(/^Stanley TRA708T Sharpshooter/);
    const beauty = await prepared(folder, { inputs: [input("s3rec-sequences/Beauty.txt")] });
    expect(beauty.manifest).toMatchObject({ users: 22_363, items: 12_101, interactions: 198_502 });
    expect(beauty.histories[1]).toEqual(["1", "2", "3", "4", "5"]);
    const toys = await prepared(folder, { inputs: [input("s3rec-sequences/Toys_and_Games.txt")] });
    expect(toys.manifest).toMatchObject({ users: 19_412, items: 11_924, interactions: 167_597 });
  });
});

async function lines(file: string): Promise<string[]> {
  const { gunzipSync } = await import("node:zlib");
  return gunzipSync(fs.readFileSync(file)).toString("utf8").split("\n");
}
