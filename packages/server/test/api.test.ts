// The API through real sockets: the answers of the recommender, and problem+json for everything else.
import fs from "node:fs";
import path from "node:path";
import { openRecommender, type Recommender } from "@cllm4rec/recommend";
import { type Server, serve } from "@cllm4rec/server";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bookshop, reversed, send, start, temporaryFolder, writeChanged } from "./helpers.js";

let recommender: Recommender;
let server: Server;
beforeAll(async () => {
  const { backbone, model } = bookshop;
  recommender = await openRecommender(model, { backbone });
  server = await serve({ model, port: 0, recommender: { backbone } });
});
afterAll(async () => {
  await server.close();
  await recommender.close();
});
const call = (route: string, body?: unknown, init?: RequestInit) => send(server.url, route, body, init);

/** Items and titles alike, and scores to what batches of another composition may change. */
function expectSameList(found: readonly { item: string; score: number }[], expected: typeof found): void {
  expect(found.map(({ item }) => item)).toEqual(expected.map(({ item }) => item));
  for (const [rank, { score }] of found.entries()) expect(score).toBeCloseTo(expected[rank]!.score, 4);
}

describe("POST /recommend", () => {
  it("answers for a user and for a history as the recommender does", async () => {
    const user = await call("/recommend", { user: "reader-2", k: 5 });
    expect(user.status).toBe(200);
    expectSameList(user.body.items, await recommender.recommend({ user: "reader-2", k: 5 }));
    expect(user.body.items[0].title).toBe(recommender.titleOf(user.body.items[0].item));
    const history = ["garden-1", "garden-6"];
    const exclude = ["garden-2", "no such item"];
    const visitor = await call("/recommend", { history, exclude, includeHistory: true });
    expectSameList(visitor.body.items, await recommender.recommend({ history, exclude, includeHistory: true, k: 10 }));
  });

  it("answers several users in one call, each with a list or a problem", async () => {
    const { status, body } = await call("/recommend", { users: ["reader-1", "nobody", "reader-2"], k: 3 });
    expect(status).toBe(200);
    expect(body.results.map(({ user }: { user: string }) => user)).toEqual(["reader-1", "nobody", "reader-2"]);
    expectSameList(body.results[2].items, await recommender.recommend({ user: "reader-2", k: 3 }));
    expect(body.results[1].problem).toMatchObject({ status: 404, code: "unknown-user" });
    expect(body.results[1].items).toBeUndefined();
  });

  it("says why: the items of the history that are most alike, by the cosine of similar-items", async () => {
    const { body } = await call("/recommend", { user: "reader-2", k: 2, why: true });
    const history = recommender.historyOf("reader-2");
    for (const { item, because } of body.items) {
      const alike = await recommender.similarItems(item, 3, { filter: (one) => history.includes(one) });
      expectSameList(because, alike);
    }
  });

  it("filters by title and by fields of a file", async () => {
    const file = path.join(temporaryFolder(), "fields.jsonl");
    const fields = recommender.items.map((item, row) => ({ item, price: row, tags: [item.split("-")[0], "book"] }));
    fs.writeFileSync(file, fields.map((one) => JSON.stringify(one)).join("\n"));
    const { url } = await start({ fields: file });
    const list = async (filter: unknown) => {
      const { body } = await send(url, "/recommend", { user: "reader-2", k: 40, filter });
      return body.items.map(({ item }: { item: string }) => item);
    };
    const without = new Set(recommender.historyOf("reader-2"));
    const expected = (keep: (item: string, row: number) => boolean) =>
      recommender.items.filter((item, row) => !without.has(item) && keep(item, row)).sort();
    expect((await list({ tags: "garden" })).sort()).toEqual(expected((item) => item.startsWith("garden")));
    expect((await list({ price: { min: 3, max: 20 }, tags: ["crime", "x"] })).sort()).toEqual(
      expected((item, row) => row >= 3 && row <= 20 && item.startsWith("crime")),
    );
    expect((await list({ title: { contains: "LARGE print" } })).sort()).toEqual(
      expected((item) => recommender.titleOf(item)!.includes("Large Print")),
    );
    expect(await send(url, "/items/crime-1")).toMatchObject({ body: { fields: { tags: ["crime", "book"] } } });
    expect((await send(url, "/model")).body.fields).toEqual(["item", "title", "price", "tags"]);
    const unknown = await send(url, "/recommend", { user: "reader-2", filter: { brand: "x" } });
    expect(unknown).toMatchObject({ status: 400, body: { code: "unknown-field" } });
    fs.writeFileSync(file, '{"item":"crime-1"}\n{"price":3}\n');
    await expect(start({ fields: file })).rejects.toThrow(/fields\.jsonl:2: found no object with a string `item`/);
  });
});

describe("other routes", () => {
  it("POST /similar-items", async () => {
    const { body } = await call("/similar-items", { item: "crime-1", k: 4, filter: { item: { contains: "garden" } } });
    const filter = (item: string) => item.startsWith("garden");
    expect(body.items).toEqual(await recommender.similarItems("crime-1", 4, { filter }));
  });

  it("POST /explain, and 501 where the model was trained without texts", async () => {
    const request = { user: "reader-4", item: "crime-3", maxTokens: 8 };
    expect((await call("/explain", request)).body).toEqual(await recommender.explain(request));
    const directory = path.join(temporaryFolder(), "model");
    await writeChanged(directory, reversed);
    const { url } = await start({ model: directory });
    expect(await send(url, "/explain", request)).toMatchObject({ status: 501, body: { code: "no-content-tables" } });
    expect((await send(url, "/model")).body.models[0].explains).toBe(false);
  });

  it("GET /items, /items/:id, /users, /users/:id", async () => {
    const title = recommender.titleOf("crime-3");
    expect(await call("/items/crime-3")).toMatchObject({ status: 200, body: { item: "crime-3", title } });
    const { body } = await call(`/items?limit=3&search=${encodeURIComponent("LARGE print")}`);
    expect(body.items).toHaveLength(3);
    for (const item of body.items) expect(item.title).toContain("Large Print");
    expect((await call("/users?search=reader-1&limit=2")).body.users).toHaveLength(2);
    const user = await call("/users/reader-2");
    expect(user.body.history.map(({ item }: { item: string }) => item)).toEqual(recommender.historyOf("reader-2"));
  });

  it("another model answers where it is asked", async () => {
    const other = path.join(temporaryFolder(), "other");
    await writeChanged(other, reversed);
    const { url } = await start({ other });
    const list = async (model?: string) => {
      const { body } = await send(url, "/recommend", { user: "reader-2", k: 40, model });
      return body.items.map(({ item }: { item: string }) => item);
    };
    expect(await list("other")).not.toEqual(await list());
    expect(await list("main")).toEqual(await list());
    expect((await send(url, "/model")).body.models.map(({ name }: { name: string }) => name)).toEqual([
      "main",
      "other",
    ]);
    expect(await send(url, "/recommend", { user: "reader-2", model: "third" })).toMatchObject({ status: 404 });
  });

  it("health, readiness, metrics", async () => {
    expect(await call("/healthz")).toMatchObject({ status: 200, body: { status: "ok" } });
    expect(await call("/readyz")).toMatchObject({ status: 200 });
    const { body, type } = await call("/metrics");
    expect(type).toContain("text/plain");
    expect(body).toMatch(/cllm4rec_http_request_seconds_count\{method="POST",route="\/recommend",status="200"\} [1-9]/);
    expect(body).toMatch(/cllm4rec_queue_waiting\{queue="recommend"\} 0/);
    expect(body).toContain("process_resident_memory_bytes");
  });

  it("/openapi.json describes every route, and /docs shows it", async () => {
    const { body } = await call("/openapi.json");
    expect(Object.keys(body.paths).sort()).toEqual(
      [
        "/explain",
        "/healthz",
        "/items",
        "/items/{id}",
        "/metrics",
        "/model",
        "/readyz",
        "/recommend",
        "/similar-items",
        "/users",
        "/users/{id}",
      ].sort(),
    );
    const { post } = body.paths["/recommend"];
    expect(Object.keys(post.requestBody.content["application/json"].schema.properties)).toContain("exclude");
    expect(Object.keys(post.responses)).toEqual(["200", "400", "404", "409", "503"]);
    const docs = await call("/docs");
    expect(docs.type).toContain("text/html");
    for (const route of Object.keys(body.paths)) expect(docs.body).toContain(`<code>${route}</code>`);
  });

  it("items cannot be added without a map from texts", async () => {
    const added = await call("/items", { items: [{ item: "new", text: "a new book" }] });
    expect(added).toMatchObject({ status: 501, type: "application/problem+json", body: { code: "no-text-map" } });
    expect(await call("/items/crime-99", undefined, { method: "DELETE" })).toMatchObject({ status: 404 });
  });
});

describe("problem+json", () => {
  it.each<[string, string, unknown, number, string]>([
    ['{ user: "reeder-2" }', "/recommend", { user: "reeder-2" }, 404, "unknown-user"],
    ['{ history: ["crime-1", "none"] }', "/recommend", { history: ["crime-1", "none"] }, 404, "unknown-item"],
    ["{}", "/recommend", {}, 400, "invalid-request"],
    [
      '{ user: "reader-2", users: ["reader-2"] }',
      "/recommend",
      { user: "reader-2", users: ["reader-2"] },
      400,
      "invalid-request",
    ],
    ['{ user: "reader-2", k: 0 }', "/recommend", { user: "reader-2", k: 0 }, 400, "invalid-request"],
    ['{ user: "reader-2", k: "3" }', "/recommend", { user: "reader-2", k: "3" }, 400, "invalid-request"],
    ["{ user: 2 }", "/recommend", { user: 2 }, 400, "invalid-request"],
    ['{ user: "reader-2", top: 3 }', "/recommend", { user: "reader-2", top: 3 }, 400, "invalid-request"],
    ["{ history: [] }", "/recommend", { history: [] }, 400, "invalid-request"],
    [
      '{ history: Array(1001).fill("crime-1") }',
      "/recommend",
      { history: Array(1001).fill("crime-1") },
      400,
      "invalid-request",
    ],
    ['"[]"', "/recommend", "[]", 400, "invalid-request"],
    ['"null"', "/recommend", "null", 400, "invalid-request"],
    ['"{"', "/recommend", "{", 400, "invalid-json-body"],
    ['""', "/recommend", "", 400, "empty-json-body"],
    [
      `'{"__proto__":{"user":"reader-2"}}'`,
      "/recommend",
      '{"__proto__":{"user":"reader-2"}}',
      400,
      "invalid-json-body",
    ],
    [`'{"user":"${"x".repeat(2 ** 20)}"}'`, "/recommend", `{"user":"${"x".repeat(2 ** 20)}"}`, 413, "body-too-large"],
    ['"[".repeat(500_000)', "/recommend", "[".repeat(500_000), 400, "invalid-json-body"],
    ['{ item: "crime-99" }', "/similar-items", { item: "crime-99" }, 404, "unknown-item"],
    [
      '{ item: "crime-3", maxTokens: 100_000 }',
      "/explain",
      { item: "crime-3", maxTokens: 100_000 },
      400,
      "invalid-request",
    ],
    ["{}", "/nothing", {}, 404, "no-such-route"],
  ])("%s to %s", async (_what, route, body, status, code) => {
    const answer = await call(route, body);
    expect(answer).toMatchObject({
      status,
      type: "application/problem+json",
      body: { status, code, type: "about:blank" },
    });
    expect(answer.body.detail.length).toBeGreaterThan(10);
  });

  it("names the nearest ids, refuses other content types, and answers odd addresses", async () => {
    expect((await call("/recommend", { user: "reeder-2" })).body.nearest).toContain("reader-2");
    const text = await call("/recommend", '{"user":"reader-2"}', { headers: { "content-type": "text/plain" } });
    expect(text).toMatchObject({ status: 415, type: "application/problem+json" });
    expect(await call("/items/%zz")).toMatchObject({ status: 400, type: "application/problem+json" });
    expect(await call("/items/nothing%2Felse")).toMatchObject({ status: 404, body: { code: "unknown-item" } });
    expect(await call("/items?limit=0")).toMatchObject({ status: 400 });
  });
});

it("refuses options out of range, and a port that is taken", async () => {
  await expect(start({ maxWaiting: -1 })).rejects.toThrow(/maxWaiting: found -1, expected an integer from 0 to/);
  await expect(start({ maxUsers: 3000 })).rejects.toThrow(/maxUsers: found 3000, expected at most .* 1280/);
  await expect(start({ port: Number(new URL(server.url).port) })).rejects.toThrow(/EADDRINUSE/);
  await expect(start({ model: "nowhere" })).rejects.toThrow(/nowhere/);
});
