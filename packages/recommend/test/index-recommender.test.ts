// Recommendation in one forward pass: history excluded, batches and order of requests without influence, users known by
// a history alone.
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { csrRow } from "@cllm4rec/corpus";
import {
  evaluate,
  evaluateViews,
  type IndexRecommendation,
  IndexRecommender,
  type IndexRequest,
} from "@cllm4rec/recommend";
import { asciiTokenizer } from "@cllm4rec/testing";
import { initialTables } from "@cllm4rec/training/stage";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { csr, tinyGpt2, twoTastes } from "./helpers.js";

const [users, items] = [10, 14];
const tokenizer = asciiTokenizer(users, items);
const tables = initialTables({ users, items, width: 16, seed: 5, priorDeviation: 0.5 }).collaborative;
const { train, validation } = twoTastes(users, items);

let backbone: Backbone;
let model: BaseModel;
beforeAll(async () => {
  backbone = await Backbone.open(tinyGpt2);
  model = new BaseModel(backbone, { users, items });
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
});

async function all(recommendations: AsyncIterable<IndexRecommendation>): Promise<IndexRecommendation[]> {
  const found: IndexRecommendation[] = [];
  for await (const one of recommendations) found.push(one);
  return found;
}

describe("IndexRecommender", () => {
  it("ranks all items but the history and what is excluded, best first", async () => {
    const recommender = new IndexRecommender({ model, tables, tokenizer });
    const requests: IndexRequest[] = [{ history: [3, 1] }, { history: [0], exclude: [5, 6, 7] }];
    const [first, second] = await all(recommender.recommend(requests, items));
    expect([...first!.items].sort((a, b) => a - b)).toEqual([0, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13]);
    expect([...second!.items].sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 8, 9, 10, 11, 12, 13]);
    const scores = await recommender.scores(requests);
    first!.items.forEach((item, rank) => {
      expect(first!.scores[rank]).toBe(scores[item]);
      if (rank > 0) expect(first!.scores[rank]!).toBeLessThanOrEqual(first!.scores[rank - 1]!);
    });
  });

  it("gives each request the same answer in any batch", async () => {
    const everyone = Array.from({ length: users }, (_, user) => user);
    const single = await all(
      new IndexRecommender({ model, tables, tokenizer, userToken: true, batch: 1 }).recommendUsers(everyone, train, 4),
    );
    const together = await all(
      new IndexRecommender({ model, tables, tokenizer, userToken: true, batch: 7 }).recommendUsers(everyone, train, 4),
    );
    expect(single.length).toBe(users);
    single.forEach((one, user) => {
      expect(together[user]!.items).toEqual(one.items);
      one.scores.forEach((score, k) => {
        expect(together[user]!.scores[k]).toBeCloseTo(score, 3);
      });
    });
  });

  it("averages the logits of several models", async () => {
    const another = initialTables({ users, items, width: 16, seed: 6, priorDeviation: 0.5 }).collaborative;
    const requests: IndexRequest[] = [{ history: [3, 1] }, { history: [0, 7, 2] }];
    const of = (some: typeof tables | (typeof tables)[]) =>
      new IndexRecommender({ model, tables: some, tokenizer }).scores(requests);
    const [one, other, both] = [await of(tables), await of(another), await of([tables, another])];
    expect(one).not.toEqual(other);
    both.forEach((score, at) => {
      expect(score).toBeCloseTo((one[at]! + other[at]!) / 2, 5);
    });
    expect(await of([tables])).toEqual(one);
    expect(() => of([])).toThrow(/tables: found none/);
  });

  it("needs no user where the user token is not in the prompt", async () => {
    const recommender = new IndexRecommender({ model, tables, tokenizer, order: "fixed" });
    const [known] = await all(recommender.recommendUsers([4], train, 5));
    const [unknown] = await all(recommender.recommend([{ history: csrRow(train, 4) }], 5));
    expect(unknown).toEqual(known);
  });

  it("refuses requests with nothing to go by, unknown items and unknown users", async () => {
    const bare = new IndexRecommender({ model, tables, tokenizer });
    const personal = new IndexRecommender({ model, tables, tokenizer, userToken: true });
    await expect(all(bare.recommend([{ history: [] }], 1))).rejects.toThrow(/at least one item of history/);
    await expect(all(bare.recommend([{ history: [items] }], 1))).rejects.toThrow(/names item 14/);
    await expect(all(personal.recommend([{ history: [1] }], 1))).rejects.toThrow(/needs a user/);
    await expect(all(bare.recommendUsers([users], train, 1))).rejects.toThrow(/row 10/);
    expect(() => new IndexRecommender({ model, tables, tokenizer, batch: 0 })).toThrow(/batch: found 0/);
    const [cold] = await all(personal.recommend([{ user: 0, history: [] }], 3));
    expect(cold!.items.length).toBe(3);
  });
});

describe("evaluate", () => {
  it("finds what the recommendations themselves contain", async () => {
    const result = await evaluate({
      model,
      tables,
      tokenizer,
      history: train,
      heldOut: validation,
      metrics: ["recall@3", "mrr"],
      batch: 4,
    });
    const lists = await all(
      new IndexRecommender({ model, tables, tokenizer }).recommendUsers(
        Array.from({ length: users }, (_, u) => u),
        train,
        items,
      ),
    );
    const ranks = lists.map(({ items: list }, user) => list.indexOf(csrRow(validation, user)[0]!) + 1);
    expect(result.metrics["recall@3"]).toBeCloseTo(ranks.filter((rank) => rank <= 3).length / users, 12);
    expect(result.metrics.mrr).toBeCloseTo(ranks.reduce((sum, rank) => sum + 1 / rank, 0) / users, 12);
    expect(result.users).toBe(users);
  });

  it("ranks the same scores in several views: among candidates, and for users of their own", async () => {
    const cold = [3, 8, 11, 13];
    const taken = csr(
      items,
      Array.from({ length: users }, (_, user) =>
        user % 3 === 0 ? [] : cold.filter((item) => (user + item) % 2 === 0 && !csrRow(train, user).includes(item)),
      ),
    );
    const options = { model, tables, tokenizer, history: train, metrics: ["recall@2", "mrr"] as const, batch: 3 };
    const views = [{ heldOut: validation }, { heldOut: taken, candidates: cold }, { heldOut: taken }];
    const [first, among, all] = await evaluateViews({ ...options, views });
    expect(first).toEqual(await evaluate({ ...options, heldOut: validation }));
    expect(all).toEqual(await evaluate({ ...options, heldOut: taken }));
    const recommender = new IndexRecommender({ model, tables, tokenizer });
    const known = Array.from(among!.perUser.users);
    expect(known).toEqual(
      Array.from({ length: users }, (_, user) => user).filter((user) => csrRow(taken, user).length > 0),
    );
    expect(among!.usersWithoutHeldOut).toBe(users - known.length);
    for (const [row, user] of known.entries()) {
      const history = csrRow(train, user);
      const scores = await recommender.scores([{ history }]);
      const list = cold.filter((item) => !history.includes(item)).sort((a, b) => scores[b]! - scores[a]! || a - b);
      const wanted = csrRow(taken, user);
      const hits = wanted.filter((item) => list.indexOf(item) < 2).length;
      expect(among!.perUser.values["recall@2"]![row]).toBeCloseTo(hits / Math.min(2, wanted.length), 12);
      const best = Math.min(...Array.from(wanted, (item) => list.indexOf(item) + 1));
      expect(among!.perUser.values.mrr![row]).toBeCloseTo(1 / best, 12);
    }
  });

  it("counts users without held-out items, and refuses those with nothing to be known by", async () => {
    const heldOut = csr(
      items,
      Array.from({ length: users }, (_, user) => (user < 3 ? [13] : [])),
    );
    const history = csr(
      items,
      Array.from({ length: users }, (_, user) => (user === 1 ? [] : [0, 1])),
    );
    const options = { model, tables, tokenizer, history, heldOut };
    const result = await evaluate({ ...options, userToken: true });
    expect(result).toMatchObject({ users: 3, usersWithoutHeldOut: users - 3 });
    expect([...result.perUser.users]).toEqual([0, 1, 2]);
    await expect(evaluate(options)).rejects.toThrow(/user 1 has held-out items and no history/);
  });

  it("refuses a held-out item that is in its user's history, before anything is computed", async () => {
    const heldOut = csr(
      items,
      Array.from({ length: users }, (_, user) => [...csrRow(user === users - 1 ? train : validation, user)]),
    );
    const item = csrRow(train, users - 1)[0];
    const signal = AbortSignal.abort(new Error("computed"));
    await expect(evaluate({ model, tables, tokenizer, history: train, heldOut, signal })).rejects.toThrow(
      `user ${users - 1}: held-out item ${item} is in the user's history`,
    );
  });
});
