// The front door: answers by raw ids, the same as those by rows; what is excluded; what requests share; what is refused
// and how.
import { csrRow, uniteHistories } from "@cllm4rec/corpus";
import {
  IndexRecommender,
  NotAvailableError,
  openEnsemble,
  openPredictor,
  openRecommender,
  RecommendError,
  type Recommender,
  UnknownIdError,
} from "@cllm4rec/recommend";
import { type ModelDescription, readModel, type SavedModel } from "@cllm4rec/training/model";
import { initialTables } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bookshop, changed, WatchedEngine, withServing } from "./helpers.js";

const { backbone } = bookshop;
let recommender: Recommender;
let saved: SavedModel;
beforeAll(async () => {
  recommender = await openRecommender(bookshop.model, { backbone });
  saved = await readModel(bookshop.model);
});
afterAll(() => recommender.close());

/** Raw ids of what a reader has in some splits. */
function has(user: string, ...splits: ("train" | "validation" | "test")[]): string[] {
  const row = recommender.users.indexOf(user);
  return splits.flatMap((split) =>
    Array.from(csrRow(saved.histories![split]!, row), (item) => recommender.items[item]!),
  );
}

const ids = (list: readonly { item: string }[]) => list.map(({ item }) => item);

describe("recommend", () => {
  it("offers nothing that the user has in train, validation or test, best first, with titles", async () => {
    const everything = has("reader-4", "train", "validation", "test");
    expect(everything).toHaveLength(9);
    const list = await recommender.recommend({ user: "reader-4", k: 100 });
    expect(list).toHaveLength(recommender.items.length - everything.length);
    for (const { item } of list) expect(everything).not.toContain(item);
    expect([...list].sort((a, b) => b.score - a.score)).toEqual(list);
    for (const { item, title } of list) expect(title).toBe(saved.titles![recommender.items.indexOf(item)]);
    // What was learnt: readers of crime novels get crime novels.
    expect(ids(list.slice(0, 5)).every((item) => item.startsWith("crime"))).toBe(true);
  });

  it("answers as the rows of the tables do", async () => {
    const models = await openEnsemble([bookshop.model]);
    const { predictor, dispose } = await openPredictor(models, { backbone });
    const history = uniteHistories(
      uniteHistories(saved.histories!.train!, saved.histories!.validation!),
      saved.histories!.test!,
    );
    const byRows = new IndexRecommender(predictor).recommendUsers([3, 8], history, 7);
    for (const user of [3, 8]) {
      const { value } = await byRows.next();
      const list = await recommender.recommend({ user: recommender.users[user]!, k: 7 });
      expect(ids(list)).toEqual(Array.from(value!.items, (item) => recommender.items[item]));
      for (const [rank, { score }] of list.entries()) expect(score).toBeCloseTo(value!.scores[rank]!, 4);
    }
    await dispose();
  });

  it("takes what counts as history from `known`", async () => {
    const narrow = await openRecommender(bookshop.model, { backbone, known: "train" });
    const list = await narrow.recommend({ user: "reader-4", k: 100 });
    const train = has("reader-4", "train");
    expect(list).toHaveLength(recommender.items.length - train.length);
    expect(await narrow.recommend({ user: "reader-4", k: 5 })).toEqual(
      await narrow.recommend({ user: "reader-4", history: train, k: 5 }),
    );
    await narrow.close();
    await expect(openRecommender(bookshop.model, { known: "test" as "train" })).rejects.toThrow(/known: found "test"/);
  });

  it("takes a history in place of what is known, excludes and filters", async () => {
    const history = ["garden-1", "garden-2", "garden-1"];
    const list = await recommender.recommend({ history, k: 4 });
    for (const item of history) expect(ids(list)).not.toContain(item);
    const [best] = list;
    const without = await recommender.recommend({ history, k: 4, exclude: [best!.item, "unknown"] });
    expect(without.slice(0, 3)).toEqual(list.slice(1));
    const crime = await recommender.recommend({ history, k: 3, filter: (item) => item.startsWith("crime") });
    expect(ids(crime).every((item) => item.startsWith("crime"))).toBe(true);
    const all = await recommender.recommend({ history, k: 100, includeHistory: true });
    expect(all).toHaveLength(recommender.items.length);
    expect(await recommender.recommend({ history, k: 1, filter: () => false })).toEqual([]);
  });

  it("gives the same answer when it is opened again", async () => {
    const request = { user: "reader-7", k: 40 };
    const first = await recommender.recommend(request);
    const again = await openRecommender(bookshop.model, { backbone });
    expect(await again.recommend(request)).toEqual(first);
    await again.close();
  });
});

it("tells titles, histories and whether it explains", () => {
  expect(recommender.titleOf("crime-3")).toBe(saved.titles![recommender.items.indexOf("crime-3")]);
  expect(recommender.historyOf("reader-4").sort()).toEqual(has("reader-4", "train", "validation", "test").sort());
  expect(recommender.explains).toBe(true);
  expect(() => recommender.titleOf("crime-333")).toThrow(UnknownIdError);
  expect(() => recommender.historyOf("nobody")).toThrow(UnknownIdError);
});

describe("scores and embeddings", () => {
  it("are those of the recommendations, in the order of the items", async () => {
    const scores = await recommender.scores({ user: "reader-4" });
    const list = await recommender.recommend({ user: "reader-4", k: 100 });
    for (const { item, score } of list) expect(score).toBeCloseTo(scores[recommender.items.indexOf(item)]!, 4);
    const some = await recommender.scores({ user: "reader-4", items: ["crime-9", "garden-2"] });
    expect([...some]).toEqual([
      scores[recommender.items.indexOf("crime-9")],
      scores[recommender.items.indexOf("garden-2")],
    ]);
  });

  it.each([1, 2])("multiply to the scores, for %i models", async (models) => {
    const other = await changed((model) => ({ ...model, tables: randomTables(model.description, 3) }));
    const opened = await openRecommender([bookshop.model, other].slice(0, models), { backbone });
    const [user, items] = [await opened.embedUser({ user: "reader-4" }), await opened.embedItems()];
    expect(items).toMatchObject({ rows: 40, width: models * 16 });
    expect(user).toHaveLength(models * 16);
    const scores = await opened.scores({ user: "reader-4" });
    for (const [row, score] of scores.entries()) {
      const item = items.data.subarray(row * items.width, (row + 1) * items.width);
      expect(item.reduce((sum, x, k) => sum + x * user[k]!, 0)).toBeCloseTo(score, 3);
    }
    const [second] = [await opened.embedItems([opened.items[1]!])];
    expect(second.data).toEqual(items.data.slice(items.width, 2 * items.width));
    await opened.close();
  });

  it("similar items are those of the greatest cosine, without the item itself", async () => {
    const { data } = saved.tables.collaborative.items;
    const row = (item: string) => data.subarray(recommender.items.indexOf(item) * 16).subarray(0, 16);
    const cosine = (a: string, b: string) => {
      const product = (x: Float32Array, y: Float32Array) => x.reduce((sum, value, k) => sum + value * y[k]!, 0);
      return product(row(a), row(b)) / Math.sqrt(product(row(a), row(a)) * product(row(b), row(b)));
    };
    const expected = recommender.items
      .filter((item) => item !== "crime-1")
      .map((item) => ({ item, score: cosine("crime-1", item) }))
      .sort((a, b) => b.score - a.score);
    const list = await recommender.similarItems("crime-1", 6);
    expect(ids(list)).toEqual(ids(expected.slice(0, 6)));
    for (const [rank, { score, title }] of list.entries()) {
      expect(score).toBeCloseTo(expected[rank]!.score, 5);
      expect(typeof title).toBe("string");
    }
    const others = await recommender.similarItems("crime-1", 2, { filter: (item) => item.startsWith("garden") });
    expect(ids(others).every((item) => item.startsWith("garden"))).toBe(true);
  });
});

describe("explain", () => {
  it("writes what the content LLM writes after the prompt of Eq. 5", async () => {
    const { predictor, dispose } = await openPredictor(await openEnsemble([bookshop.model]), { backbone });
    const { model, tokenizer } = predictor;
    const [user, item] = [recommender.users.indexOf("reader-4"), recommender.items.indexOf("crime-3")];
    const prompt = tokenizer.encodePrompt([{ user }, " writes the review for", { item }, " :"]);
    const words: number[] = [];
    for await (const word of model.generate(prompt, saved.tables.content!, { maxTokens: 12 })) words.push(word);
    const explanation = await recommender.explain({ user: "reader-4", item: "crime-3", maxTokens: 12 });
    expect(explanation).toEqual({ text: tokenizer.decode(words).trim(), prompt: "review" });
    expect(words).toHaveLength(12);
    expect(await recommender.explain({ item: "crime-3", maxTokens: 3 })).toMatchObject({ prompt: "itemText" });
    await dispose();
  });

  it("is not available where the model was trained without texts", async () => {
    const directory = await changed(({ tables: { collaborative }, ...model }) => ({
      ...model,
      tables: { collaborative },
    }));
    const opened = await openRecommender(directory, { backbone });
    const error = await opened.explain({ item: "crime-3" }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(NotAvailableError);
    expect(error).toMatchObject({ code: "no-content-tables", message: expect.stringContaining("no content tables") });
    await opened.close();
  });
});

describe("requests at the same time", () => {
  it("share a forward pass, up to the largest batch, and are answered as if they were alone", async () => {
    const engine = new WatchedEngine();
    const opened = await openRecommender(bookshop.model, { backbone, engine, maxBatch: 4 });
    const users = opened.users.slice(0, 6);
    const alone = [];
    for (const user of users) alone.push(await opened.recommend({ user, k: 5 }));
    expect(engine.passes).toBe(6);
    engine.passes = 0;
    const together = await Promise.all(users.map((user) => opened.recommend({ user, k: 5 })));
    expect(engine.passes).toBe(2);
    expect(together.map(ids)).toEqual(alone.map(ids));
    engine.passes = 0;
    // Also from timers and callbacks of the same tick, and other methods than recommend.
    await Promise.all([
      new Promise(setImmediate).then(() => opened.recommend({ user: users[0]!, k: 5 })),
      new Promise(setImmediate).then(() => opened.scores({ user: users[1]! })),
    ]);
    expect(engine.passes).toBe(1);
    await opened.close();
    expect(engine.disposed).toBe(false); // it is the caller's
    await engine.dispose();
  });

  it("one with an error does not disturb the others", async () => {
    const results = await Promise.allSettled([
      recommender.recommend({ user: "reader-1", k: 3 }),
      recommender.recommend({ user: "nobody", k: 3 }),
      recommender.recommend({ history: ["garden-1"], k: 0 }),
      recommender.recommend({ history: ["garden-1"], k: 3 }),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  });

  it("are given up one by one when they are aborted, and the pass is dropped with the last", async () => {
    const engine = new WatchedEngine();
    const opened = await openRecommender(bookshop.model, { backbone, engine });
    const [one, two] = [new AbortController(), new AbortController()];
    let reached = () => {};
    const running = new Promise<void>((resolve) => {
      reached = resolve;
    });
    let go = () => {};
    engine.before = () => {
      reached();
      return new Promise((resolve) => {
        go = resolve;
      });
    };
    const first = opened.recommend({ user: "reader-1", k: 3, signal: one.signal });
    const second = opened.recommend({ user: "reader-2", k: 3, signal: two.signal });
    await running;
    const waiting = opened.recommend({ user: "reader-3", k: 3, signal: two.signal });
    one.abort(new Error("gone"));
    await expect(first).rejects.toThrow("gone");
    go();
    expect(await second).toHaveLength(3);
    two.abort(new Error("gone too"));
    await expect(waiting).rejects.toThrow("gone too");
    await expect(opened.recommend({ user: "reader-3", k: 3, signal: two.signal })).rejects.toThrow("gone too");
    engine.before = async () => undefined;
    expect(await opened.recommend({ user: "reader-3", k: 3 })).toHaveLength(3);
    expect(engine.signal).toMatchObject({ aborted: false });
    const third = new AbortController();
    const abandoned = opened.recommend({ user: "reader-3", k: 3, signal: third.signal });
    engine.before = async () => third.abort(new Error("nobody waits"));
    await expect(abandoned).rejects.toThrow("nobody waits");
    expect(engine.signal).toMatchObject({ aborted: true });
    engine.before = async () => undefined;
    await opened.close();
    await engine.dispose();
  });

  it("closing answers the current group and refuses the rest", async () => {
    const opened = await openRecommender(bookshop.model, { backbone, maxBatch: 1 });
    const requests = ["reader-1", "reader-2"].map((user) => opened.recommend({ user, k: 3 }));
    const settled = Promise.allSettled(requests);
    await new Promise(setImmediate); // the first is being answered
    await Promise.all([opened.close(), opened.close()]);
    const [first, second] = await settled;
    expect(first).toMatchObject({ status: "fulfilled" });
    expect(second).toMatchObject({ status: "rejected", reason: expect.any(RecommendError) });
    await expect(opened.recommend({ user: "reader-1", k: 3 })).rejects.toThrow(/this recommender is closed/);
    await expect(opened.similarItems("crime-1", 3)).rejects.toThrow(/is closed/);
    await expect(opened.embedItems()).rejects.toThrow(/is closed/);
  });

  it("closes itself at the end of a block", async () => {
    let opened: Recommender;
    {
      await using scoped = await openRecommender(bookshop.model, { backbone });
      opened = scoped;
      expect(await scoped.recommend({ user: "reader-1", k: 1 })).toHaveLength(1);
    }
    await expect(opened.recommend({ user: "reader-1", k: 1 })).rejects.toThrow(/is closed/);
  });
});

describe("refuses", () => {
  it("unknown ids, with the nearest known ones", async () => {
    const user = await recommender.recommend({ user: "reeder-4", k: 1 }).catch((error: unknown) => error);
    expect(user).toBeInstanceOf(UnknownIdError);
    expect(user).toMatchObject({ kind: "user", id: "reeder-4", message: expect.stringContaining("did you mean") });
    expect((user as UnknownIdError).nearest).toContain("reader-4");
    const item = await recommender.recommend({ history: ["crime-1", "xyz"], k: 1 }).catch((error: unknown) => error);
    expect(item).toMatchObject({ kind: "item", id: "xyz", nearest: [] });
    expect((item as Error).message).toBe(
      'unknown item "xyz"; the model knows 40 items by their ids in the input, such as ' +
        `${JSON.stringify(recommender.items[0])}.`,
    );
    await expect(recommender.similarItems("crime-", 1)).rejects.toBeInstanceOf(UnknownIdError);
    await expect(recommender.embedItems(["crime-1", "nothing"])).rejects.toBeInstanceOf(UnknownIdError);
    await expect(recommender.scores({ user: "reader-1", items: ["?"] })).rejects.toBeInstanceOf(UnknownIdError);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ k: 3 }, /found neither user nor history/],
    [{ user: "reader-1", k: 1.5 }, /k: found 1\.5, expected a positive integer/],
    [{ user: "reader-1" }, /k: found undefined/],
    [{ history: [], k: 1 }, /history: found no items/],
    [{ history: "crime-1", k: 1 }, /history: found "crime-1", expected an array of raw item ids/],
  ])("%j", async (request, message) => {
    await expect(recommender.recommend(request as { k: number })).rejects.toThrow(message);
  });

  it("a history alone where the model needs the user", async () => {
    const directory = await changed((model) => {
      const { recommendation } = JSON.parse(JSON.stringify(model.description.settings.serving));
      return withServing(model, { recommendation: { ...recommendation, userToken: true } });
    });
    const personal = await openRecommender(directory, { backbone });
    await expect(personal.recommend({ history: ["crime-1"], k: 1 })).rejects.toThrow(/with the user token/);
    expect(await personal.recommend({ user: "reader-1", history: [], k: 1 })).toHaveLength(1);
    await personal.close();
    await expect(openRecommender([bookshop.model, directory], { backbone })).rejects.toThrow(/has another prompt than/);
  });

  it("no models, and batches that hold nothing", async () => {
    await expect(openRecommender([])).rejects.toThrow(/models: found none/);
    await expect(openRecommender(bookshop.model, { maxBatch: 0 })).rejects.toThrow(/maxBatch: found 0/);
    await expect(openRecommender(bookshop.model, { signal: AbortSignal.abort(new Error("no")) })).rejects.toThrow("no");
  });
});

function randomTables({ sizes }: ModelDescription, seed: number): SavedModel["tables"] {
  return initialTables({ ...sizes, seed, priorDeviation: 0.5 });
}
