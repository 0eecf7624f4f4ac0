// Under load: what requests share, the cache, a full queue, a new model and the end of the server, without a lost
// request.
import fs from "node:fs";
import net from "node:net";
import path from "node:path";
import { onnxRuntime } from "@cllm4rec/onnx-grad";
import { openRecommender } from "@cllm4rec/recommend";
import { expect, it, onTestFinished } from "vitest";
import { bookshop, deferred, HeldEngine, reversed, send, start, temporaryFolder, writeChanged } from "./helpers.js";

const readers = (count: number) => Array.from({ length: count }, (_, at) => `reader-${at + 1}`);
const items = (body: { items: { item: string }[] }) => body.items.map(({ item }) => item);

/** Lets others work between two looks. */
const pause = () => new Promise((resolve) => setTimeout(resolve, 5));

/** An engine whose passes wait until they are let go. */
function heldEngine() {
  const engine = new HeldEngine();
  const reached = deferred();
  const go = deferred();
  const hold = () => {
    engine.before = () => {
      reached.resolve();
      return go.promise;
    };
  };
  onTestFinished(() => engine.dispose());
  return { engine, hold, reached: reached.promise, go: go.resolve };
}

it("concurrent requests share forward passes, and unchanged ones come from the cache", async () => {
  const engine = new HeldEngine();
  onTestFinished(() => engine.dispose());
  const { url } = await start({ recommender: { engine } });
  const ask = () => Promise.all(readers(20).map((user) => send(url, "/recommend", { user, k: 5 })));
  const first = await ask();
  expect(engine.passes).toBeGreaterThan(0);
  expect(engine.passes).toBeLessThan(20);
  engine.passes = 0;
  expect((await ask()).map(({ body }) => body)).toEqual(first.map(({ body }) => body));
  expect(engine.passes).toBe(0);
  await send(url, "/recommend", { user: "reader-1", k: 6 });
  expect(engine.passes).toBe(1);
  const { body } = await send(url, "/metrics");
  expect(body).toContain('cllm4rec_cache_lookups_total{result="hit"} 20');
});

it("a full queue is answered 503 with Retry-After, and what waits is answered", async () => {
  const { engine, hold, reached, go } = heldEngine();
  const { url } = await start({ recommender: { engine }, maxConcurrent: 2, maxWaiting: 3, maxUsers: 5 });
  hold();
  const [early, ...rest] = readers(5).map((user) => send(url, "/recommend", { user, k: 2 }));
  await reached;
  // All five are there before the sixth comes.
  while (!/cllm4rec_queue_waiting\{queue="recommend"\} 3/.test((await send(url, "/metrics")).body)) await pause();
  const refused = await send(url, "/recommend", { user: "reader-6", k: 2 });
  expect(refused).toMatchObject({ status: 503, type: "application/problem+json", body: { code: "busy" } });
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThanOrEqual(1);
  expect(await send(url, "/recommend", { users: ["reader-7", "reader-8"] })).toMatchObject({ status: 503 });
  go();
  for (const answer of await Promise.all([early!, ...rest])) expect(answer.status).toBe(200);
  expect(await send(url, "/recommend", { user: "reader-6", k: 2 })).toMatchObject({ status: 200 });
});

it("requests whose client has gone are not computed", async () => {
  const { engine, hold, reached, go } = heldEngine();
  const { url } = await start({ recommender: { engine }, maxConcurrent: 1, cacheSize: 0 });
  hold();
  const first = send(url, "/recommend", { user: "reader-1", k: 2 });
  await reached;
  const gone = new AbortController();
  const second = send(url, "/recommend", { user: "reader-2", k: 2 }, { signal: gone.signal }).catch(() => "gone");
  const waiting = async () => /cllm4rec_queue_waiting\{queue="recommend"\} 1/.test((await send(url, "/metrics")).body);
  while (!(await waiting())) await pause();
  gone.abort();
  expect(await second).toBe("gone");
  while (await waiting()) await pause();
  go();
  expect(await first).toMatchObject({ status: 200 });
  expect(engine.passes).toBe(1);
});

it("a new model directory is taken over without a lost request; a damaged one is not", async () => {
  const folder = temporaryFolder();
  const [model, next] = [path.join(folder, "model"), path.join(folder, "next")];
  fs.cpSync(bookshop.model, model, { recursive: true });
  await writeChanged(next, reversed);
  const engine = onnxRuntime();
  onTestFinished(() => engine.dispose());
  const { backbone } = bookshop;
  const server = await start({ model, watch: 20, recommender: { engine }, cacheSize: 2 ** 16 });
  const request = { user: "reader-2", k: 3 };
  const answerOf = async (directory: string) => {
    const recommender = await openRecommender(directory, { backbone, engine });
    const list = (await recommender.recommend(request)).map(({ item }) => item);
    await recommender.close();
    return JSON.stringify(list);
  };
  const [before, after] = [await answerOf(model), await answerOf(next)];
  expect(before).not.toBe(after);

  let stop = false;
  const seen = new Map<string, number>();
  const lost: unknown[] = [];
  const client = async () => {
    while (!stop) {
      try {
        const { status, body } = await send(server.url, "/recommend", request);
        if (status !== 200) throw new Error(`status ${status}`);
        const list = JSON.stringify(items(body));
        seen.set(list, (seen.get(list) ?? 0) + 1);
      } catch (error) {
        lost.push(error);
      }
    }
  };
  const clients = Array.from({ length: 8 }, client);
  while (!seen.has(before)) await pause();
  // A directory that cannot be opened: the model that answered before stays.
  fs.renameSync(model, path.join(folder, "old"));
  fs.cpSync(path.join(folder, "old"), path.join(folder, "damaged"), { recursive: true });
  fs.truncateSync(path.join(folder, "damaged", "embeddings.safetensors"), 1000);
  fs.renameSync(path.join(folder, "damaged"), model);
  while (!/reloads_total\{result="failure"\} 1/.test((await send(server.url, "/metrics")).body)) await pause();
  await expect(server.reload()).rejects.toThrow(/embeddings\.safetensors/);
  fs.renameSync(model, path.join(folder, "damaged"));
  fs.renameSync(next, model);
  while (!seen.has(after)) await pause();
  stop = true;
  await Promise.all(clients);
  expect(lost).toEqual([]);
  expect([...seen.keys()].sort()).toEqual([before, after].sort());
  expect(await send(server.url, "/model")).toMatchObject({ body: { models: [{ generation: 2 }] } });
});

it("closing answers what was sent, also on connections that were silent, and takes no new connection", async () => {
  const { engine, hold, reached, go } = heldEngine();
  const server = await start({ recommender: { engine }, maxConcurrent: 4, cacheSize: 0 });
  const port = Number(new URL(server.url).port);
  // A client that opened its connection earlier and sends only after the end was asked for.
  const silent = net.connect(port, "127.0.0.1");
  await new Promise((resolve) => silent.once("connect", resolve));
  hold();
  const sent = readers(12).map((user) => send(server.url, "/recommend", { user, k: 2 }));
  await reached;
  const arrived = async () =>
    /cllm4rec_queue_waiting\{queue="recommend"\} 8/.test((await send(server.url, "/metrics")).body);
  while (!(await arrived())) await pause();
  const closing = server.close();
  expect(server.close()).toBe(closing);
  const text = JSON.stringify({ user: "reader-20", k: 1 });
  silent.write(
    "POST /recommend HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: " +
      `${text.length}\r\n\r\n${text}`,
  );
  let late = "";
  silent.on("data", (data) => {
    late += data;
  });
  const ended = new Promise((resolve) => silent.once("end", resolve));
  const attempt = () =>
    new Promise<string>((resolve) => {
      const socket = net.connect(port, "127.0.0.1", () => resolve("connected"));
      socket.once("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""));
      socket.once("connect", () => socket.destroy());
    });
  while ((await attempt()) === "connected") await pause();
  expect(await attempt()).toBe("ECONNREFUSED");
  go();
  for (const answer of await Promise.all(sent)) {
    expect(answer.status).toBe(200);
    expect(answer.headers.get("connection")).toBe("close");
  }
  await ended;
  expect(late).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(late.toLowerCase()).toContain("\r\nconnection: close\r\n");
  await closing;
});

it("is not ready while it drains, and still answers new connections for the drain delay", async () => {
  const server = await start({ drainDelay: 1500 });
  expect(await send(server.url, "/readyz")).toMatchObject({ status: 200 });
  const closing = server.close();
  expect(await send(server.url, "/readyz")).toMatchObject({ status: 503, body: { code: "draining" } });
  expect(await send(server.url, "/recommend", { user: "reader-1", k: 1 })).toMatchObject({ status: 200 });
  await closing;
  await expect(send(server.url, "/healthz")).rejects.toThrow();
});
