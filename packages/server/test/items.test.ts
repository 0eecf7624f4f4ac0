// Items that are added, changed and removed through the API: in use at once, kept over restarts and new models.
import fs from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { reversed, send, start, temporaryFolder, withWords, writeChanged } from "./helpers.js";

const ids = (answer: { readonly body: { readonly items: readonly { readonly item: string }[] } }) =>
  answer.body.items.map(({ item }) => item);
const NEW = { item: "garden-99", text: "Rose Garden", title: "Roses" };

it("adds, updates and removes items, with the answers of the cache", async () => {
  const model = path.join(temporaryFolder(), "model");
  await writeChanged(model, withWords);
  const { url } = await start({ model, maxAddedItems: 2 });
  const call = (route: string, body?: unknown, method?: string) =>
    send(url, route, body, method === undefined ? {} : { method });
  const request = { history: ["garden-1", "garden-6"], k: 45 };
  expect(ids(await call("/recommend", request))).not.toContain("garden-99");

  const added = await call("/items", { items: [NEW] });
  expect(added).toMatchObject({ status: 201, body: { items: [{ item: "garden-99", title: "Roses" }] } });
  const list = await call("/recommend", { ...request, why: true });
  expect(list.body.items.find(({ item }: { item: string }) => item === "garden-99")).toMatchObject({
    title: "Roses",
    because: [{ item: expect.stringMatching(/^garden/) }, { item: expect.stringMatching(/^garden/) }],
  });
  const forOwner = ids(await call("/recommend", { history: ["garden-99"], k: 45 }));
  expect(forOwner).toHaveLength(40);
  expect(forOwner).not.toContain("garden-99");
  expect(await call("/items/garden-99")).toMatchObject({ status: 200, body: { title: "Roses" } });
  expect(ids(await call("/items?search=roses"))).toEqual(["garden-99"]);

  const place = ids(list).indexOf("garden-99");
  const text = { text: "Murder at Noon", title: "Murder" };
  expect(await call("/items/garden-99", text, "PUT")).toMatchObject({ status: 200, body: { title: "Murder" } });
  expect(ids(await call("/recommend", request)).indexOf("garden-99")).toBeGreaterThan(place);

  const problem = (status: number, code: string) => ({ status, type: "application/problem+json", body: { code } });
  expect(await call("/items", { items: [NEW] })).toMatchObject(problem(409, "exists"));
  const [other, third] = [
    { ...NEW, item: "b" },
    { ...NEW, item: "c" },
  ];
  expect(await call("/items", { items: [other, third] })).toMatchObject(problem(409, "too-many-items"));
  expect(await call("/items", { items: [{ item: "b", text: "Xyzzy" }] })).toMatchObject(problem(400, "no-known-word"));
  expect(await call("/items", { items: [{ item: "b", text: " " }] })).toMatchObject(problem(400, "empty-text"));
  expect(await call("/items/crime-1", text, "PUT")).toMatchObject(problem(409, "trained"));
  expect(await call("/items/b", text, "PUT")).toMatchObject(problem(404, "unknown-item"));

  expect((await call("/metrics")).body).toMatch(/cllm4rec_added_items 1\n/);
  for (const id of ["garden-99", "garden-7"]) {
    expect((await call(`/items/${id}`, undefined, "DELETE")).status).toBe(204);
    expect(await call(`/items/${id}`)).toMatchObject(problem(404, "unknown-item"));
  }
  const last = ids(await call("/recommend", request));
  expect(last).toHaveLength(37);
  expect(last).not.toContain("garden-7");
  expect((await call("/metrics")).body).toMatch(/cllm4rec_item_changes_total\{change="removed"\} 2\n/);
});

it("keeps them over a restart and over a new model", async () => {
  const folder = temporaryFolder();
  const model = path.join(folder, "model");
  await writeChanged(model, withWords);
  const first = await start({ model });
  expect((await send(first.url, "/items", { items: [NEW] })).status).toBe(201);
  expect((await send(first.url, "/items/crime-1", undefined, { method: "DELETE" })).status).toBe(204);
  await first.close();

  const second = await start({ model });
  const titled = { status: 200, body: { title: "Roses" } };
  expect(await send(second.url, "/items/garden-99")).toMatchObject(titled);
  // A new model takes the place of the directory, without the file of the old one.
  fs.renameSync(model, path.join(folder, "old"));
  await writeChanged(model, (saved) => withWords(reversed(saved)));
  await second.reload();
  expect(await send(second.url, "/items/garden-99")).toMatchObject(titled);
  expect((await send(second.url, "/items/crime-1")).status).toBe(404);
  expect(fs.existsSync(path.join(model, "added-items.json"))).toBe(true);
  const { body } = await send(second.url, "/model");
  expect(body.models).toMatchObject([{ generation: 2, items: 40, addedItems: 1 }]);
});
