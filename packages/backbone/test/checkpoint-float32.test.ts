// The F32 view: in place or converted, found again, rebuilt when damaged, safe under several processes, aborted
// cleanly.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { afterEach, describe, expect, it, vi } from "vitest";
import { openCheckpoint } from "../src/checkpoint/checkpoint.js";
import { float16ToFloat32Bits } from "../src/checkpoint/convert.js";
import { CheckpointError } from "../src/checkpoint/errors.js";
import {
  externalDataFolder,
  type Float32Options,
  type Float32Progress,
  openFloat32Weights,
} from "../src/checkpoint/float32-cache.js";
import { readSafetensorsHeader } from "../src/checkpoint/safetensors.js";
import { f32, fixture, goldens, half, modelDirectory, safetensorsOf, temporaryFolder } from "./checkpoint-helpers.js";

const folder = temporaryFolder();
let count = 0;
const fresh = (name: string) => path.join(folder(), `${name}-${count++}`);
const make = (bytes: Uint8Array) => modelDirectory(fresh("model"), { "model.safetensors": bytes });

/** Opens a model with a cache of its own. */
async function open(directory: string, cacheDirectory: string, options: Float32Options = {}) {
  return openFloat32Weights(await openCheckpoint(directory), { cacheDirectory, ...options });
}

/** All files below a folder, with their contents' hash. */
function tree(root: string): Record<string, string> {
  if (!fs.existsSync(root)) return {};
  const files = fs.readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Object.fromEntries(
    files.map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      return [path.relative(root, file), createHash("sha256").update(fs.readFileSync(file)).digest("hex")];
    }),
  );
}

/** Which phases an open went through. */
function phases() {
  const seen: Float32Progress[] = [];
  return {
    onProgress: (progress: Float32Progress) => seen.push(progress),
    seen,
    names: () => [...new Set(seen.map((p) => p.phase))],
  };
}

const mixed = () =>
  safetensorsOf({
    "wte.weight": half("BF16", [2, 3], [0x3f80, 0xbf80, 0x0001, 0x8000, 0x7f7f, 0x4000]),
    "h.weight": half("F16", [2], [0x3c00, 0x0001]),
    "ln.weight": f32([2], [0.1, -0.2]),
    "attn.mask": { dtype: "BOOL", shape: [3], bytes: Uint8Array.of(1, 0, 1) },
  });

/** The converted file of a cache that has one. */
function convertedFile(cache: string): string {
  const entry = fs.readdirSync(path.join(cache, "float32")).filter((name) => !name.startsWith("."));
  expect(entry).toHaveLength(1);
  return path.join(cache, "float32", entry[0]!, "weights.safetensors");
}

describe("conversion", () => {
  it("agrees with torch, and leaves F32 and everything else where it is", async () => {
    const directory = modelDirectory(fresh("model"), {
      "model.safetensors": fs.readFileSync(fixture("mixed.safetensors")),
    });
    const checkpoint = await openCheckpoint(directory);
    const weights = await openFloat32Weights(checkpoint, { cacheDirectory: fresh("cache") });
    const floats = Object.entries(goldens.mixed).filter(([, { float32 }]) => float32);
    expect([...weights.tensors.keys()].sort()).toEqual(floats.map(([name]) => name).sort());
    for (const [name, { shape, float32 }] of floats) {
      const tensor = weights.tensor(name);
      expect(tensor).toMatchObject({ name, dtype: "F32", shape });
      expect(tensor.byteOffset % 4).toBe(0);
      expect([...(await weights.read(name))], name).toEqual(float32);
      if (checkpoint.tensor(name).dtype === "F32") expect(tensor).toBe(checkpoint.tensor(name));
    }
    expect(() => weights.tensor("int64")).toThrow(/no weight "int64"/);
  });

  it("writes a file that any safetensors reader can read", async () => {
    const cache = fresh("cache");
    const weights = await open(make(mixed()), cache);
    const header = await readSafetensorsHeader(convertedFile(cache));
    expect(header.metadata).toEqual({ source: weights.contentHash });
    expect([...header.tensors.keys()].sort()).toEqual(["h.weight", "wte.weight"]);
    expect([...(await weights.read("wte.weight"))]).toEqual([1, -1, 2 ** -133, -0, 255 * 2 ** 120, 2]);
    expect([...(await weights.read("h.weight"))]).toEqual([1, 2 ** -24]);
  });

  it("moves F32 tensors that do not begin at a multiple of four", async () => {
    const cache = fresh("cache");
    for (const pad of [0, 1, 2, 3]) {
      const weights = await open(make(safetensorsOf({ w: f32([3], [1, -2, 3]) }, pad)), cache);
      expect(weights.tensor("w").byteOffset % 4).toBe(0);
      expect(weights.tensor("w").file.startsWith(cache)).toBe(pad !== 0);
      expect([...(await weights.read("w"))]).toEqual([1, -2, 3]);
    }
  });

  it("is exact for tensors of any size, across the pieces in which they are read", async () => {
    const n = 5 * 1024 * 1024 + 7; // more than two pieces of 4 MiB at two bytes each
    const bits = Uint16Array.from({ length: n }, (_, i) => (i * 40_503) & 0x7bff);
    const weights = await open(
      make(safetensorsOf({ small: half("BF16", [1], [0x3f80]), large: half("F16", [n], bits) })),
      fresh("cache"),
    );
    const values = new Uint32Array((await weights.read("large")).buffer);
    expect(values.length).toBe(n);
    expect(values.findIndex((value, i) => value !== float16ToFloat32Bits(bits[i]!))).toBe(-1);
  });

  it("handles empty tensors and scalars", async () => {
    const weights = await open(
      make(safetensorsOf({ none: half("BF16", [0, 7], []), one: half("F16", [], [0x3c00]), empty: f32([0], []) })),
      fresh("cache"),
    );
    expect((await weights.read("none")).length).toBe(0);
    expect([...(await weights.read("one"))]).toEqual([1]);
    expect(weights.tensor("none").shape).toEqual([0, 7]);
  });

  it("joins shards into one cache, and says what they are by one hash", async () => {
    const one = safetensorsOf({ a: half("BF16", [1], [0x3f80]), c: half("BF16", [1], [0x4040]) });
    const two = safetensorsOf({ b: half("BF16", [1], [0x4000]) });
    const index = { weight_map: { a: "1.safetensors", b: "2.safetensors", c: "1.safetensors" } };
    const files = { "1.safetensors": one, "2.safetensors": two, "model.safetensors.index.json": index };
    const cache = fresh("cache");
    const weights = await open(modelDirectory(fresh("model"), files), cache);
    expect(await Promise.all(["a", "b", "c"].map(async (name) => (await weights.read(name))[0]))).toEqual([1, 2, 3]);
    expect(new Set([...weights.tensors.values()].map((tensor) => tensor.file)).size).toBe(1);
    const other = await open(
      modelDirectory(fresh("model"), { ...files, "2.safetensors": safetensorsOf({ b: half("BF16", [1], [0x3f80]) }) }),
      cache,
    );
    expect(other.contentHash).not.toBe(weights.contentHash);
    expect([...(await other.read("b"))]).toEqual([1]);
  });

  it("refuses weights of other dtypes, and names that are not there", async () => {
    const directory = make(
      safetensorsOf({ w: { dtype: "F64", shape: [1], bytes: new Uint8Array(8) }, v: f32([1], [1]) }),
    );
    await expect(open(directory, fresh("cache"), { tensors: ["w"] })).rejects.toThrow(
      /"w" has dtype F64; weights must be F32, F16 or BF16/,
    );
    await expect(open(directory, fresh("cache"), { tensors: ["x"] })).rejects.toThrow(/no tensor "x"/);
    expect([...(await open(directory, fresh("cache"), { tensors: ["v", "v"] })).tensors.keys()]).toEqual(["v"]);
  });
});

describe("values that are not finite", () => {
  const cases = [
    ["F32", f32([2, 3], [0, 1, 2, 3, Number.NaN, 5]), 4, "NaN"],
    ["F16", half("F16", [2, 2], [0, 0, 0, 0xfc00]), 3, "-Infinity"],
    ["BF16", half("BF16", [4], [0, 0x7f80, 0x7fc0, 0]), 1, "Infinity"],
  ] as const;

  it.each(cases)("are an error that names tensor and index: %s", async (_, tensor, index, value) => {
    const directory = make(safetensorsOf({ fine: f32([1], [1]), "h.0.bad": tensor }));
    const cache = fresh("cache");
    const message = new RegExp(`model\\.safetensors: tensor "h\\.0\\.bad" \\[.*\\]: element ${index} is ${value};`);
    await expect(open(directory, cache)).rejects.toThrow(message);
    await expect(open(directory, cache)).rejects.toThrow(message); // from the record of the first look
    // A mask that nobody computes with may hold −∞.
    await expect(open(directory, cache, { tensors: ["fine"] })).resolves.toBeDefined();
  });

  it("are found beyond the first piece", async () => {
    const n = 3 * 1024 * 1024;
    const values = new Float32Array(n);
    values[n - 1] = Number.POSITIVE_INFINITY;
    await expect(
      open(make(safetensorsOf({ pad: f32([3], [1, 2, 3]), w: f32([n], values) })), fresh("cache")),
    ).rejects.toThrow(`element ${n - 1} is Infinity`);
  });

  it("are counted by tensor, the first of each being the one that is named", async () => {
    const n = 3 * 1024 * 1024;
    const values = new Float32Array(n);
    for (const index of [5, n / 2, n - 1]) values[index] = Number.NaN;
    const bad = { w: f32([n], values), v: f32([2], [0, Number.NaN]) };
    await expect(open(make(safetensorsOf(bad)), fresh("cache"))).rejects.toThrow(
      /"w" \[3145728\]: element 5 is NaN \(and so it is in 2 tensors of this file\)/,
    );
  });
});

describe("the cache", () => {
  it("is used the second time: nothing is read or written again", async () => {
    const directory = make(mixed());
    const cache = fresh("cache");
    const first = phases();
    const weights = await open(directory, cache, first);
    expect(first.names()).toEqual(["check", "convert"]);
    expect(first.seen.at(-1)).toMatchObject({ phase: "convert", done: 16, total: 16 });
    const before = tree(cache);
    const second = phases();
    const again = await open(directory, cache, second);
    expect(second.names()).toEqual(["check"]);
    expect(second.seen).toHaveLength(1);
    expect(tree(cache)).toEqual(before);
    expect([...again.tensors]).toEqual([...weights.tensors]);
    expect(again.contentHash).toBe(weights.contentHash);
    const bytes = fs.readFileSync(path.join(directory, "model.safetensors"));
    expect(again.contentHash).toBe(createHash("sha256").update(bytes).digest("hex"));
  });

  it("goes by content: a copy of the model elsewhere finds the same conversion", async () => {
    const cache = fresh("cache");
    await open(make(mixed()), cache);
    const seen = phases();
    await open(make(mixed()), cache, seen);
    expect(seen.names()).toEqual(["check"]);
  });

  it("notices new contents under the same size and modification time", async () => {
    const directory = make(safetensorsOf({ w: half("BF16", [2], [0x3f80, 0x4000]) }));
    const cache = fresh("cache");
    const file = path.join(directory, "model.safetensors");
    const { atime, mtime } = fs.statSync(file);
    expect([...(await (await open(directory, cache)).read("w"))]).toEqual([1, 2]);
    const bytes = fs.readFileSync(file);
    bytes[bytes.length - 1] = 0xc0;
    fs.writeFileSync(file, bytes);
    fs.utimesSync(file, atime, mtime);
    expect([...(await (await open(directory, cache)).read("w"))]).toEqual([1, -2]);
  });

  /** Makes the entry's record vouch for the file as it is now. */
  const vouch = (file: string) => {
    const { size, ino, mtimeNs, ctimeNs } = fs.statSync(file, { bigint: true });
    const sha256 = createHash("sha256").update(fs.readFileSync(file)).digest("hex");
    const record = { format: 1, sha256, stamp: `${size}-${ino}-${mtimeNs}-${ctimeNs}` };
    fs.writeFileSync(path.join(path.dirname(file), "entry.json"), JSON.stringify(record));
  };
  const damages: [string, (file: string) => void][] = [
    [
      "replaced together with its record",
      (file) => {
        const other = { "h.weight": f32([2], [1, 2]), "wte.weight": f32([3, 2], [1, 2, 3, 4, 5, 6]) };
        fs.writeFileSync(file, safetensorsOf(other));
        vouch(file);
      },
    ],
    ["truncated", (file) => fs.truncateSync(file, fs.statSync(file).size - 1)],
    ["emptied", (file) => fs.truncateSync(file, 0)],
    ["removed", (file) => fs.rmSync(file)],
    ["without its record", (file) => fs.rmSync(path.join(path.dirname(file), "entry.json"))],
    ["with a broken record", (file) => fs.writeFileSync(path.join(path.dirname(file), "entry.json"), "{")],
    ["changed in its data", (file) => flip(file, -1)],
    ["changed in its header", (file) => flip(file, 20)],
    [
      "replaced by a folder",
      (file) => {
        fs.rmSync(file);
        fs.mkdirSync(file);
      },
    ],
    [
      "replaced by another model's",
      (file) => fs.writeFileSync(file, safetensorsOf({ "wte.weight": f32([2, 3], [1, 2, 3, 4, 5, 6]) })),
    ],
  ];
  const flip = (file: string, at: number) => {
    const bytes = fs.readFileSync(file);
    const index = at < 0 ? bytes.length + at : at;
    bytes[index] = bytes[index]! ^ 1;
    fs.writeFileSync(file, bytes);
  };

  it.each(damages)("is rebuilt when its file is %s", async (_, damage) => {
    const directory = make(mixed());
    const cache = fresh("cache");
    await open(directory, cache);
    const sound = tree(path.dirname(convertedFile(cache)))["weights.safetensors"];
    damage(convertedFile(cache));
    const weights = await open(directory, cache);
    expect([...(await weights.read("h.weight"))]).toEqual([1, 2 ** -24]);
    expect(tree(path.dirname(convertedFile(cache)))["weights.safetensors"]).toBe(sound);
    expect(fs.readdirSync(path.join(cache, "float32"))).toHaveLength(1);
  });

  it("survives being copied, which changes times but not contents", async () => {
    const directory = make(mixed());
    const cache = fresh("cache");
    await open(directory, cache);
    const copy = fresh("cache");
    fs.cpSync(cache, copy, { recursive: true });
    const seen = phases();
    await open(directory, copy, seen);
    expect(seen.names()).toEqual(["check"]);
  });

  it("finds silent damage when asked to verify", async () => {
    const directory = make(mixed());
    const cache = fresh("cache");
    await open(directory, cache);
    const file = convertedFile(cache);
    flip(file, -1);
    // As a failing disk would have it: the record's stamp fits the file, the contents do not.
    const { size, ino, mtimeNs, ctimeNs } = fs.statSync(file, { bigint: true });
    const record = path.join(path.dirname(file), "entry.json");
    const entry = JSON.parse(fs.readFileSync(record, "utf8"));
    fs.writeFileSync(record, JSON.stringify({ ...entry, stamp: `${size}-${ino}-${mtimeNs}-${ctimeNs}` }));
    const trusting = phases();
    await open(directory, cache, trusting);
    expect(trusting.names()).toEqual(["check"]);
    const verifying = phases();
    await open(directory, cache, { ...verifying, verify: true });
    expect(verifying.names()).toEqual(["check", "convert"]);
  });

  it("makes damaged scan records anew", async () => {
    const directory = make(mixed());
    const cache = fresh("cache");
    await open(directory, cache);
    const scans = path.join(cache, "scans");
    const before = tree(scans);
    for (const name of Object.keys(before)) fs.writeFileSync(path.join(scans, name), '{"format":1}');
    await open(directory, cache);
    expect(tree(scans)).toEqual(before);
  });

  it("is left as it was by an abort at any moment, and the next open succeeds", async () => {
    const directory = make(mixed());
    const cache = fresh("cache");
    for (let events = 0; ; events++) {
      const controller = new AbortController();
      let left = events;
      const onProgress = () => {
        if (left-- === 0) controller.abort(new Error("stop here"));
      };
      const result = await open(directory, cache, { onProgress, signal: controller.signal }).catch(
        (error: unknown) => error,
      );
      if (!(result instanceof Error)) break;
      expect(result.message).toBe("stop here");
      expect(Object.keys(tree(path.join(cache, "float32")))).toEqual([]);
      if (events > 20) throw new Error("never got through");
    }
    expect([...(await (await open(directory, cache)).read("h.weight"))]).toEqual([1, 2 ** -24]);
  });

  it("says what to do when it cannot be written", async () => {
    const blocked = fresh("blocked");
    fs.writeFileSync(blocked, "a file where the cache should be");
    const error = await open(make(mixed()), path.join(blocked, "cache")).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(CheckpointError);
    expect(String(error)).toMatch(/cannot be written.*cacheDirectory/s);
    // Where nothing is to be converted, nothing needs to be written.
    const plain = await open(make(safetensorsOf({ w: f32([1], [1]) })), path.join(blocked, "cache"));
    expect([...(await plain.read("w"))]).toEqual([1]);
  });

  it("removes what killed processes left behind, but not what others are writing", async () => {
    const cache = fresh("cache");
    const old = path.join(cache, "float32", ".tmp-1-old");
    const young = path.join(cache, "float32", ".tmp-1-young");
    for (const each of [old, young]) {
      fs.mkdirSync(each, { recursive: true });
      fs.writeFileSync(path.join(each, "weights.safetensors"), "half");
    }
    const past = new Date(Date.now() - 2 * 60 * 60 * 1000);
    fs.utimesSync(path.join(old, "weights.safetensors"), past, past);
    fs.utimesSync(old, past, past);
    await open(make(mixed()), cache);
    expect(fs.existsSync(old)).toBe(false);
    expect(fs.existsSync(young)).toBe(true);
  });

  it("is safe when many open at the same time, in one process and in several", async () => {
    const n = 400_000;
    const bits = Uint16Array.from({ length: n }, (_, i) => 0x3f80 + (i % 128));
    const directory = make(safetensorsOf({ w: half("BF16", [n], bits) }));
    const cache = fresh("cache");
    const script = `
      import { openCheckpoint, openFloat32Weights } from "@cllm4rec/backbone";
      const [folder, cacheDirectory] = process.argv.slice(1);
      const weights = await openFloat32Weights(await openCheckpoint(folder), { cacheDirectory });
      const w = await weights.read("w");
      console.log(w.length, w[127], w[${n - 1}]);
    `;
    const children = Array.from({ length: 3 }, () =>
      promisify(execFile)(process.execPath, ["--input-type=module", "-e", script, directory, cache], {
        cwd: path.join(import.meta.dirname, ".."),
      }),
    );
    const here = Array.from({ length: 4 }, async () => (await open(directory, cache)).read("w"));
    const last = (127 % 128) / 128 + 1;
    for (const w of await Promise.all(here)) expect([w.length, w[127]]).toEqual([n, last]);
    for (const { stdout } of await Promise.all(children)) expect(stdout).toMatch(new RegExp(`^${n} ${last} `));
    expect(fs.readdirSync(path.join(cache, "float32"))).toHaveLength(1);
  });

  describe("stands by default", () => {
    afterEach(() => vi.unstubAllEnvs());
    it("under XDG_CACHE_HOME", async () => {
      const home = fresh("xdg");
      vi.stubEnv("XDG_CACHE_HOME", home);
      const weights = await openFloat32Weights(await openCheckpoint(make(mixed())));
      expect(weights.tensor("h.weight").file.startsWith(path.join(home, "cllm4rec"))).toBe(true);
    });
  });
});

describe("the folder for external data", () => {
  it("holds all files, in place and in the cache", async () => {
    const weights = await open(make(mixed()), fresh("cache"));
    const { folder: root, relative } = externalDataFolder(weights.tensors.values());
    expect(root).toBe(folder());
    for (const tensor of weights.tensors.values()) {
      expect(path.join(root, relative(tensor))).toBe(tensor.file);
      expect(relative(tensor)).not.toMatch(/^\.\.|^\/|\\/);
    }
  });

  it("is the deepest such folder, for any files", () => {
    const segment = fc.constantFrom("a", "b", "..c", "d e");
    const file = fc.array(segment, { minLength: 1, maxLength: 5 }).map((parts) => `/${parts.join("/")}/x`);
    fc.assert(
      fc.property(fc.array(file, { minLength: 1, maxLength: 5 }), (files) => {
        const { folder: root, relative } = externalDataFolder(files.map((each) => ({ file: each })));
        const inside = files.map((each) => relative({ file: each }).split("/"));
        for (const [i, parts] of inside.entries()) {
          expect(parts).not.toContain("..");
          expect(path.join(root, ...parts)).toBe(files[i]);
        }
        const firsts = new Set(inside.map((parts) => parts[0]));
        expect(firsts.size > 1 || inside.some((parts) => parts.length === 1)).toBe(true);
      }),
    );
  });
});

it("hashes the mapped files as they are now", async () => {
  const directory = make(mixed());
  const weights = await open(directory, fresh("cache"));
  const before = await weights.fileHashes();
  expect(Object.keys(before)).toHaveLength(2);
  const file = path.join(directory, "model.safetensors");
  expect(before[file]).toBe(weights.contentHash);
  fs.appendFileSync(file, "!");
  expect((await weights.fileHashes())[file]).not.toBe(before[file]);
});
