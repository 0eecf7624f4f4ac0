// Models by hub id, against a stand-in for the hub: what is fetched, resumed, refused, and how often it asks.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import type http from "node:http";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.js";
import { CheckpointError } from "../src/checkpoint/errors.js";
import { type HubProgress, type ResolveOptions, resolveModel } from "../src/checkpoint/hub.js";
import { f32, modelDirectory, safetensorsOf, temporaryFolder } from "./checkpoint-helpers.js";
import { COMMIT, HubServer, hubEntry, json, rangeHeaders, rangeOf } from "./hub-server.js";

const folder = temporaryFolder();
let hub: HubServer;
let cache = "";
let count = 0;

const values = Float32Array.from({ length: 50_000 }, (_, i) => Math.sin(i));
const weights = safetensorsOf({ w: f32([values.length], values) });
const config = Buffer.from(JSON.stringify({ model_type: "gpt2" }));

beforeEach(async () => {
  hub = await new HubServer().start();
  cache = path.join(folder(), `cache-${count++}`);
  hub.files.set("config.json", config);
  hub.files.set("model.safetensors", weights);
  hub.files.set("tokenizer.json", Buffer.from("{}"));
  hub.files.set("README.md", Buffer.from("# read me"));
  hub.files.set("pytorch_model.bin", Buffer.from("pickle"));
  hub.files.set("tf_model.h5", Buffer.from("h5"));
});
afterEach(() => {
  hub.stop();
  vi.unstubAllEnvs();
});

const resolve = (options: ResolveOptions = {}, model = "org/name") =>
  resolveModel(model, { hubUrl: hub.url, hubCacheDirectory: cache, offline: false, retryDelay: 1, ...options });
const storage = () => path.join(cache, "models--org--name");
const blobs = () => fs.readdirSync(path.join(storage(), "blobs")).sort();
const snapshotFiles = () =>
  fs.existsSync(path.join(storage(), "snapshots", COMMIT))
    ? fs.readdirSync(path.join(storage(), "snapshots", COMMIT)).sort()
    : [];
const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

/** Whether a request is for the contents of the weights, not for their size. */
const isWeightsBody = (request: http.IncomingMessage) =>
  request.url?.endsWith("/model.safetensors") && request.headers.range !== "bytes=0-0";
const bodyRanges = () =>
  hub
    .takeRequests()
    .filter(({ path, range }) => path.endsWith("/model.safetensors") && range !== "bytes=0-0")
    .map(({ range }) => range);

/** Sends the first `bytes` of what was asked for, then breaks the connection. */
function breakAfter(bytes: number, request: http.IncomingMessage, response: http.ServerResponse): true {
  const { start, end, partial } = rangeOf(request, weights.length);
  response.writeHead(partial ? 206 : 200, rangeHeaders(request, weights));
  response.write(weights.subarray(start, Math.min(end, start + bytes)), () => setTimeout(() => response.destroy(), 20));
  return true;
}

describe("a download", () => {
  it("fetches what a checkpoint needs and nothing else, in Python's cache layout", async () => {
    const progress: HubProgress[] = [];
    const model = await resolve({ onProgress: (event) => progress.push(event) });
    expect(model).toEqual({
      directory: path.join(storage(), "snapshots", COMMIT),
      hub: { id: "org/name", commit: COMMIT },
    });
    expect(fs.readdirSync(model.directory).sort()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    expect(fs.readFileSync(path.join(storage(), "refs", "main"), "utf8")).toBe(COMMIT);
    expect(blobs()).toEqual(
      [sha256(weights), hubEntry("config.json", config).oid, hubEntry("tokenizer.json", Buffer.from("{}")).oid].sort(),
    );
    expect(fs.readlinkSync(path.join(model.directory, "model.safetensors"))).toBe(
      path.join("..", "..", "blobs", sha256(weights)),
    );
    expect((await openCheckpoint(model.directory)).tensor("w").shape).toEqual([values.length]);
    const total = weights.length + config.length + 2;
    expect(progress.at(-1)).toMatchObject({ done: total, total });
    for (const [i, { done }] of progress.entries()) expect(done).toBeGreaterThanOrEqual(progress[i - 1]?.done ?? 0);
  });

  it("makes two requests and two per file; the next one only two", async () => {
    await resolve();
    expect(hub.takeRequests()).toHaveLength(2 + 2 * 3);
    await resolve();
    expect(hub.takeRequests()).toHaveLength(2);
    await resolve({}, `org/name@${COMMIT}`);
    expect(hub.takeRequests()).toHaveLength(1);
    await resolve({}, "org/name@v1.0");
    expect(hub.takeRequests()).toHaveLength(2);
    expect(fs.readFileSync(path.join(storage(), "refs", "v1.0"), "utf8")).toBe(COMMIT);
  });

  it("takes blobs that are already there, as Python leaves them", async () => {
    fs.mkdirSync(path.join(storage(), "blobs"), { recursive: true });
    fs.writeFileSync(path.join(storage(), "blobs", sha256(weights)), weights);
    await resolve();
    expect(hub.takeRequests().filter(({ path: asked }) => asked.endsWith(".safetensors"))).toEqual([]);
    expect(snapshotFiles()).toContain("model.safetensors");
  });

  it("fetches shards by their index", async () => {
    hub.files.delete("model.safetensors");
    const one = safetensorsOf({ a: f32([1], [1]) });
    const two = safetensorsOf({ b: f32([1], [2]) });
    hub.files.set("model-00001-of-00002.safetensors", one);
    hub.files.set("model-00002-of-00002.safetensors", two);
    hub.files.set("other.safetensors", one);
    const index = { weight_map: { a: "model-00001-of-00002.safetensors", b: "model-00002-of-00002.safetensors" } };
    hub.files.set("model.safetensors.index.json", Buffer.from(JSON.stringify(index)));
    const { directory } = await resolve();
    expect([...(await openCheckpoint(directory)).tensors.keys()]).toEqual(["a", "b"]);
    expect(snapshotFiles()).not.toContain("other.safetensors");
    expect((await resolve({ offline: true })).directory).toBe(directory);
    fs.rmSync(path.join(directory, "model-00002-of-00002.safetensors"));
    await expect(resolve({ offline: true })).rejects.toThrow(/lacks model-00002-of-00002\.safetensors/);
  });

  it("keeps empty files", async () => {
    hub.files.set("merges.txt", new Uint8Array());
    const { directory } = await resolve();
    expect(fs.readFileSync(path.join(directory, "merges.txt"))).toHaveLength(0);
  });

  it("gives the same result to several that run at the same time", async () => {
    const models = await Promise.all([resolve(), resolve(), resolve()]);
    for (const { directory } of models)
      expect(fs.readFileSync(path.join(directory, "model.safetensors")).equals(weights)).toBe(true);
    expect(blobs()).toHaveLength(3);
  });

  it("sends the token to the hub, and not to where the hub redirects", async () => {
    const store = await new HubServer().start();
    store.intercept = (request, response) => {
      response.writeHead(request.headers.range ? 206 : 200, rangeHeaders(request, weights));
      const { start, end } = rangeOf(request, weights.length);
      response.end(weights.subarray(start, end));
      return true;
    };
    hub.intercept = (request, response) => {
      if (!request.url?.endsWith("/model.safetensors")) return false;
      response.writeHead(302, { Location: `${store.url}/storage/model.safetensors` });
      response.end();
      return true;
    };
    await resolve({ accessToken: "hf_secret" });
    expect(new Set(hub.takeRequests().map(({ authorization }) => authorization))).toEqual(
      new Set(["Bearer hf_secret"]),
    );
    const atStore = store.takeRequests();
    expect(atStore.length).toBeGreaterThan(0);
    expect(atStore.every(({ authorization }) => authorization === undefined)).toBe(true);
    store.stop();
  });

  it("takes token, hub and cache from the environment, as Python does", async () => {
    vi.stubEnv("HF_TOKEN", "hf_environment");
    vi.stubEnv("HF_ENDPOINT", `${hub.url}/`);
    vi.stubEnv("HF_HOME", cache);
    vi.stubEnv("HF_HUB_CACHE", undefined);
    vi.stubEnv("HUGGINGFACE_HUB_CACHE", undefined);
    const { directory } = await resolveModel("org/name", { offline: false });
    expect(directory.startsWith(path.join(cache, "hub", "models--org--name"))).toBe(true);
    expect(hub.takeRequests()[0]?.authorization).toBe("Bearer hf_environment");
  });
});

describe("an interruption", () => {
  it("within a call is continued where it stopped", async () => {
    let breaks = 2;
    hub.intercept = (request, response) =>
      Boolean(isWeightsBody(request)) && breaks-- > 0 && breakAfter(60_000, request, response);
    const { directory } = await resolve();
    expect(fs.readFileSync(path.join(directory, "model.safetensors")).equals(weights)).toBe(true);
    const ranges = bodyRanges();
    expect(ranges[0]).toBeUndefined();
    expect(ranges).toHaveLength(3);
    const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-/.exec(range ?? "")?.[1]));
    expect(starts[0]).toBeGreaterThan(0);
    expect(starts[1]).toBeGreaterThan(starts[0]!);
  });

  it("that lasts is an error; nothing half-written is visible, and the next call continues", async () => {
    hub.intercept = (request, response) => Boolean(isWeightsBody(request)) && breakAfter(60_000, request, response);
    const error = await resolve({ attempts: 1 }).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error)).toMatch(/org\/name@main: download from http.*failed/);
    expect(snapshotFiles()).not.toContain("model.safetensors");
    expect(blobs().filter((name) => name.startsWith(sha256(weights)))).toEqual([
      `${sha256(weights)}.cllm4rec-parked.incomplete`,
    ]);
    await expect(resolve({ offline: true })).rejects.toThrow(/lacks revision main/);
    hub.intercept = () => false;
    hub.takeRequests();
    const { directory } = await resolve();
    expect(bodyRanges()).toEqual([expect.stringMatching(/^bytes=[1-9]\d*-/)]);
    expect(fs.readFileSync(path.join(directory, "model.safetensors")).equals(weights)).toBe(true);
    expect(blobs()).toHaveLength(3);
  });

  it("by an abort throws its reason, keeps what came, and is continued", async () => {
    const controller = new AbortController();
    hub.intercept = (request, response) => {
      if (!isWeightsBody(request)) return false;
      response.writeHead(200, rangeHeaders(request, weights));
      response.write(weights.subarray(0, 70_000)); // and then nothing more
      return true;
    };
    const onProgress = ({ file, done }: HubProgress) => {
      if (file === "model.safetensors" && done > 60_000) controller.abort(new Error("changed my mind"));
    };
    await expect(resolve({ signal: controller.signal, onProgress })).rejects.toThrow("changed my mind");
    expect(snapshotFiles()).not.toContain("model.safetensors");
    hub.intercept = () => false;
    hub.takeRequests();
    await resolve();
    expect(bodyRanges()[0]).toMatch(/^bytes=[1-9]/);
    await expect(resolve({ signal: AbortSignal.abort(new Error("at once")) })).rejects.toThrow("at once");
  });

  it("by the death of the process is continued by the next", async () => {
    hub.intercept = (request, response) => {
      if (!isWeightsBody(request)) return false;
      response.writeHead(200, rangeHeaders(request, weights));
      response.write(weights.subarray(0, 70_000));
      return true;
    };
    const script = `
      import { resolveModel } from "@cllm4rec/backbone";
      const [hubUrl, hubCacheDirectory] = process.argv.slice(1);
      const onProgress = (p) => console.log(p.file, p.done);
      await resolveModel("org/name", { hubUrl, hubCacheDirectory, offline: false, onProgress });
    `;
    const child = spawn(process.execPath, ["--input-type=module", "-e", script, hub.url, cache], {
      cwd: path.join(import.meta.dirname, ".."),
      stdio: ["ignore", "pipe", "inherit"],
    });
    let printed = "";
    for await (const chunk of child.stdout) {
      printed += String(chunk);
      if (/model\.safetensors [67]\d{4}\n/.test(printed)) break;
    }
    const exit = once(child, "exit");
    child.kill("SIGKILL");
    await exit;
    hub.intercept = () => false;
    hub.takeRequests();
    const { directory } = await resolve();
    expect(bodyRanges()[0]).toMatch(/^bytes=[67]\d{4}-/);
    expect(fs.readFileSync(path.join(directory, "model.safetensors")).equals(weights)).toBe(true);
    expect(blobs()).toHaveLength(3);
  });

  it("starts anew where the server does not continue, or what was kept does not belong", async () => {
    hub.intercept = (request, response) => Boolean(isWeightsBody(request)) && breakAfter(60_000, request, response);
    await expect(resolve({ attempts: 1 })).rejects.toThrow(CheckpointError);
    hub.intercept = (request, response) => {
      if (!isWeightsBody(request)) return false;
      response.writeHead(200, { "Content-Length": weights.length, ETag: '"x"' });
      response.end(weights);
      return true;
    };
    const { directory } = await resolve();
    expect(fs.readFileSync(path.join(directory, "model.safetensors")).equals(weights)).toBe(true);

    fs.rmSync(cache, { recursive: true });
    fs.mkdirSync(path.join(storage(), "blobs"), { recursive: true });
    fs.writeFileSync(path.join(storage(), "blobs", `${sha256(weights)}.cllm4rec-parked.incomplete`), "something else");
    hub.intercept = () => false;
    await resolve();
    expect(fs.readFileSync(path.join(directory, "model.safetensors")).equals(weights)).toBe(true);
  });

  it("by silence ends after the time allowed", async () => {
    hub.intercept = (request) => Boolean(isWeightsBody(request));
    await expect(resolve({ attempts: 2, stallTimeout: 200 })).rejects.toThrow(/failed, 2 times: no data for 0\.2 s/);
    expect(bodyRanges()).toHaveLength(2);
  });
});

describe("a refusal", () => {
  const answer = (status: number, body: unknown, headers?: http.OutgoingHttpHeaders) => {
    hub.intercept = (_, response) => {
      json(response, status, body, headers);
      return true;
    };
  };

  it("says that a model is gated, private or missing, after one request", async () => {
    answer(401, { error: "Access to model org/name is restricted." }, { "X-Error-Code": "GatedRepo" });
    await expect(resolve()).rejects.toThrow(
      /org\/name@main: the hub refused access \(401: Access to model.*gated or private.*HF_TOKEN/s,
    );
    expect(hub.takeRequests()).toHaveLength(1);
    answer(403, { error: "Forbidden" });
    await expect(resolve({ accessToken: "hf_x" })).rejects.toThrow(/refused access \(403/);
    answer(404, { error: "Invalid rev id: nope" });
    await expect(resolve({}, "org/name@nope")).rejects.toThrow(
      /org\/name@nope: not found on the hub \(Invalid rev id: nope/,
    );
    expect(hub.takeRequests()).toHaveLength(2);
    expect(fs.existsSync(storage())).toBe(false);
  });

  it("in the middle is not tried again, and names the file's model", async () => {
    hub.intercept = (request, response) => {
      if (!isWeightsBody(request)) return false;
      json(response, 403, { error: "no" });
      return true;
    };
    await expect(resolve()).rejects.toThrow(/refused access \(403/);
    expect(bodyRanges()).toHaveLength(1);
  });

  it("of the server's own making is tried again, but not for ever", async () => {
    let failures = 2;
    hub.intercept = (_, response) => {
      if (failures-- <= 0) return false;
      json(response, 503, { error: "busy" });
      return true;
    };
    await resolve();
    hub.takeRequests();
    answer(500, { error: "down" });
    await expect(resolve({ attempts: 3 })).rejects.toThrow(/failed, 3 times: down.*offline: true/s);
    expect(hub.takeRequests()).toHaveLength(3);
    hub.stop();
    await expect(resolve({ attempts: 2 })).rejects.toThrow(/failed, 2 times: fetch failed \(ECONNREFUSED\)/);
  });

  it("of a token that is none comes before any request", async () => {
    await expect(resolve({ accessToken: "secret" })).rejects.toThrow(/must start with 'hf_'/);
    expect(hub.takeRequests()).toEqual([]);
  });

  it("comes for models without safetensors or config.json", async () => {
    hub.files.delete("model.safetensors");
    await expect(resolve()).rejects.toThrow(/only as pytorch_model\.bin, a pickle/);
    hub.files.delete("pytorch_model.bin");
    await expect(resolve()).rejects.toThrow(/has no model\.safetensors/);
    hub.files.set("model.safetensors", weights);
    hub.files.delete("config.json");
    await expect(resolve()).rejects.toThrow(/has no config\.json/);
    expect(snapshotFiles()).toEqual([]);
  });
});

describe("a hub that is not to be trusted", () => {
  it("cannot deliver other contents than it lists", async () => {
    const other = Buffer.from(weights);
    other[other.length - 1] = other[other.length - 1]! ^ 1;
    hub.intercept = (request, response) => {
      if (!request.url?.endsWith("/model.safetensors")) return false;
      const { start, end, partial } = rangeOf(request, other.length);
      response.writeHead(partial ? 206 : 200, rangeHeaders(request, other));
      response.end(other.subarray(start, end));
      return true;
    };
    await expect(resolve()).rejects.toThrow(/model\.safetensors has the sha256 .*, expected .*nothing was kept/);
    expect(blobs().filter((name) => name.startsWith(sha256(weights)))).toEqual([]);
    hub.intercept = (request, response) => {
      if (!request.url?.endsWith("/config.json")) return false;
      const long = Buffer.from(`${config.toString()} `);
      const { start, end, partial } = rangeOf(request, long.length);
      response.writeHead(partial ? 206 : 200, rangeHeaders(request, long));
      response.end(long.subarray(start, end));
      return true;
    };
    await expect(resolve({ hubCacheDirectory: `${cache}-2` })).rejects.toThrow(
      /config\.json has \d+ bytes, expected \d+/,
    );
  });

  it("cannot write outside the snapshot", async () => {
    const outside = ["../evil.json", "/evil.json", "..\\evil.json", "sub/config.json"];
    hub.intercept = (request, response) => {
      if (!request.url?.includes("/tree/")) return false;
      const entries = [...hub.files].map(([name, content]) => hubEntry(name, content));
      json(response, 200, [...entries, ...outside.map((name) => hubEntry(name, config))]);
      return true;
    };
    await resolve();
    expect(snapshotFiles()).toEqual(["config.json", "model.safetensors", "tokenizer.json"]);
    for (const sha of ["../../../evil", "", "main", null, 7]) {
      hub.intercept = (request, response) => {
        if (!request.url?.includes("/revision/")) return false;
        json(response, 200, { _id: "1", id: "org/name", sha });
        return true;
      };
      await expect(resolve()).rejects.toThrow(/expected 40 hex digits/);
    }
    hub.intercept = () => false;
    hub.files.delete("model.safetensors");
    hub.files.set("model.safetensors.index.json", Buffer.from('{"weight_map":{"a":"../../../evil.safetensors"}}'));
    await expect(resolve()).rejects.toThrow(
      /names "\.\.\/\.\.\/\.\.\/evil\.safetensors", which the model does not have/,
    );
  });

  it("cannot keep us listing for ever", async () => {
    hub.intercept = (request, response) => {
      if (!request.url?.includes("/tree/")) return false;
      json(response, 200, [], { Link: `<${hub.url}${request.url}>; rel="next"` });
      return true;
    };
    await expect(resolve()).rejects.toThrow(/more than 20 requests/);
    expect(hub.takeRequests().length).toBeLessThan(25);
  });

  it.each([
    ["not JSON", "<html>"],
    ["no list", '{"a":1}'],
    ["null", "null"],
    ["a list of numbers", "[1,2]"],
    ["entries without fields", '[{"type":"file"}]'],
  ])("gets one clear error for a listing that is %s", async (_, body) => {
    hub.intercept = (request, response) => {
      if (!request.url?.includes("/tree/")) return false;
      response.writeHead(200, { "Content-Type": "application/json" });
      response.end(body);
      return true;
    };
    await expect(resolve({ attempts: 2 })).rejects.toThrow(CheckpointError);
  });
});

describe("offline", () => {
  it("uses the cache and makes no request", async () => {
    const { directory } = await resolve();
    hub.takeRequests();
    expect(await resolve({ offline: true })).toEqual({ directory, hub: { id: "org/name", commit: COMMIT } });
    expect((await resolve({ offline: true }, `org/name@${COMMIT}`)).directory).toBe(directory);
    vi.stubEnv("HF_HUB_OFFLINE", "1");
    expect((await resolveModel("org/name", { hubUrl: hub.url, hubCacheDirectory: cache })).directory).toBe(directory);
    expect(hub.takeRequests()).toEqual([]);
  });

  it("says what is missing and what to do", async () => {
    await expect(resolve({ offline: true })).rejects.toThrow(
      /org\/name@main: offline, and the cache .*models--org--name lacks revision main\. Next: run once online/,
    );
    const { directory } = await resolve();
    fs.rmSync(path.join(directory, "model.safetensors"));
    await expect(resolve({ offline: true })).rejects.toThrow(/lacks model\.safetensors/);
  });
});

describe("a name", () => {
  it("that is a directory is that directory, whatever the hub has", async () => {
    const directory = modelDirectory(path.join(folder(), "local@v1"), {});
    expect(await resolve({}, directory)).toEqual({ directory });
    expect(await resolve({}, path.relative(process.cwd(), directory))).toEqual({ directory });
    expect(hub.takeRequests()).toEqual([]);
  });

  it.each([
    ["a path that is not there", "./absent", /absent: no such directory; expected a model directory, or a hub id/],
    ["an absolute path that is not there", "/no/such/model", /no such directory/],
    ["nothing", "", /the model's name is empty/],
    ["too many parts", "a/b/c", /no such directory/],
    ["a path upwards", "../name", /no such directory/],
    ["a revision upwards", "org/name@../../x", /neither a directory on this machine nor a hub id/],
    ["an empty revision", "org/name@", /neither a directory/],
    ["characters that ids do not have", "org/na me", /neither a directory/],
    ["two dots", "org/na..me", /neither a directory/],
  ])("that is %s is refused without asking", async (_, name, message) => {
    await expect(resolve({}, name)).rejects.toThrow(message);
    expect(hub.takeRequests()).toEqual([]);
  });

  it("that is a file is refused", async () => {
    const file = path.join(folder(), "file.safetensors");
    fs.writeFileSync(file, weights);
    await expect(resolve({}, file)).rejects.toThrow(/is a file, expected a model directory/);
  });
});
