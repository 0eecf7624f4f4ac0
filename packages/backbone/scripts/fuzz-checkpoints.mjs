// Mutates config.json, safetensors headers and tensor data of the fixture models, and opens each mutant:
//   node scripts/fuzz-checkpoints.mjs [cases, 3000 where absent] [seed, 1 where absent]
// Every outcome must be one of
//   identical  it opens with the fingerprint of the original, and computes the same hidden states bit by bit
//   another    it opens with another fingerprint: a valid model, recognised as another one
//   refused    one CheckpointError on one line without control characters (weights that do not fit: a list, one line
//              each)
// and never a crash, an exhausted heap (256 MiB), a hang (60 s) or another error. Cases run in child processes, which
// the parent watches.
import { spawn } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { Backbone, BaseModel, CheckpointError } from "@cllm4rec/backbone";
import { onnxRuntime } from "@cllm4rec/onnx-grad";

const MODELS = fileURLToPath(new URL("../test/fixtures/models/", import.meta.url));
const INDEX = "model.safetensors.index.json";
const PER_CHILD = 500;
const PATIENCE = 60_000;
// Everything that a terminal obeys but the line feed, which separates the lines of a list.
const CONTROL = /(?!\n)[\p{Cc}\u200e\u200f\u2028-\u202e\u2066-\u2069]/u;

// ---------------------------------------------------------------------------------------------------------------------
// mutations
/** Numbers from a seed: below(n), pick(list), chance(p). (mulberry32) */
function randomness(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (n) => Math.floor(next() * n);
  return { below, pick: (list) => list[below(list.length)], chance: (p) => next() < p };
}

const HOSTILE_TEXT = [
  "",
  "\u001b[2J\u001b]0;owned\u0007",
  "\u009b2J\r\n\u202e",
  "x".repeat(20_000),
  "__proto__",
  "constructor",
  "\ud800",
  "../../etc",
];
const NUMBERS = [0, 1, 2, 3, 7, -1, 0.5, 1e-9, 1e9, 2 ** 31 - 1, 2 ** 31, 2 ** 53, 1e308, 1e15, 128, 4096];
const deep = (levels) => JSON.parse(`${"[".repeat(levels)}${"]".repeat(levels)}`);
const hostileValue = (r) => {
  const kind = r.below(10);
  if (kind < 5) return r.pick(NUMBERS);
  if (kind < 6) return r.pick([true, false]);
  if (kind < 7) return null;
  if (kind < 8) return r.pick(HOSTILE_TEXT);
  return r.pick([
    [],
    {},
    [1, "a", null],
    { rope_type: "yarn", factor: 4 },
    { factor: 1e9 },
    deep(40),
    new Array(2000).fill(1),
  ]);
};
const EXTRA_KEYS = [
  "rope_scaling", "rope_parameters", "rope_theta", "original_max_position_embeddings", "no_rope_layers",
  "logits_scaling", "head_dim", "layer_types", "sliding_window", "num_key_value_heads", "embedding_multiplier",
  "tie_word_embeddings", "quantization_config", "invented", "\u001b[31mred", "__proto__", "is_encoder_decoder",
]; // biome-ignore format: a list of names

/** Flips bits, overwrites, inserts, removes or truncates bytes from `from` to `to`. */
function damageBytes(r, bytes, from, to) {
  const at = from + r.below(Math.max(1, to - from));
  const kind = r.below(5);
  const copy = Buffer.from(bytes);
  if (kind === 0) copy[at] ^= 1 << r.below(8);
  else if (kind === 1) copy[at] = r.below(256);
  else if (kind === 2) return Buffer.concat([copy.subarray(0, at), Buffer.from([r.below(256)]), copy.subarray(at)]);
  else if (kind === 3)
    return Buffer.concat([copy.subarray(0, at), copy.subarray(Math.min(copy.length, at + 1 + r.below(16)))]);
  else return copy.subarray(0, at);
  return copy;
}

function headerOf(bytes) {
  const length = Number(bytes.readBigUInt64LE(0));
  return { json: JSON.parse(bytes.subarray(8, 8 + length).toString()), data: bytes.subarray(8 + length) };
}

function withHeader(text, data) {
  const json = Buffer.from(text);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([length, json, data]);
}

/** Name → (r, { config: object, weights: Buffer }) → { config?: text or object, weights?: Buffer }. */
const MUTATIONS = {
  "config value": (r, { config }) => ({ config: { ...config, [r.pick(Object.keys(config))]: hostileValue(r) } }),
  "config values": (r, { config }) => {
    const changed = { ...config };
    for (let i = 0; i < 2 + r.below(4); i++) changed[r.pick(Object.keys(config))] = hostileValue(r);
    return { config: changed };
  },
  "config key added": (r, { config }) => {
    const entry = `${JSON.stringify(r.pick(EXTRA_KEYS))}:${JSON.stringify(hostileValue(r))}`;
    return { config: `${JSON.stringify(config).slice(0, -1)},${entry}}` };
  },
  "config key removed": (r, { config }) => {
    const changed = { ...config };
    delete changed[r.pick(Object.keys(config))];
    return { config: changed };
  },
  "config of another model": (r, _, others) => ({ config: r.pick(others).config }),
  "config bytes": (r, { config }) => {
    const text = Buffer.from(JSON.stringify(config));
    return { config: damageBytes(r, text, 0, text.length) };
  },
  "header entry": (r, { weights }) => {
    const { json, data } = headerOf(weights);
    const name = r.pick(Object.keys(json));
    const entry = { ...json[name] };
    const field = r.pick(["dtype", "shape", "data_offsets", "extra"]);
    if (field === "dtype") entry.dtype = r.pick(["F32", "F16", "I8", "F64", "X", ...HOSTILE_TEXT]);
    else if (Array.isArray(entry[field]) && r.chance(0.7))
      entry[field] = entry[field].map((n) => (r.chance(0.5) ? r.pick(NUMBERS) : n));
    else entry[field] = hostileValue(r);
    return { weights: withHeader(JSON.stringify({ ...json, [name]: entry }), data) };
  },
  "header name": (r, { weights }) => {
    const { json, data } = headerOf(weights);
    const name = r.pick(Object.keys(json));
    const other = r.chance(0.5) ? r.pick(HOSTILE_TEXT) : r.pick(Object.keys(json));
    const text = JSON.stringify(json).replace(`${JSON.stringify(name)}:`, () => `${JSON.stringify(other)}:`);
    return { weights: withHeader(text, data) };
  },
  "header tensor removed": (r, { weights }) => {
    const { json, data } = headerOf(weights);
    delete json[r.pick(Object.keys(json))];
    return { weights: withHeader(JSON.stringify(json), data) };
  },
  "header swapped names": (r, { weights }) => {
    const { json, data } = headerOf(weights);
    const [a, b] = [r.pick(Object.keys(json)), r.pick(Object.keys(json))];
    return { weights: withHeader(JSON.stringify({ ...json, [a]: json[b], [b]: json[a] }), data) };
  },
  "header length": (r, { weights }) => {
    const copy = Buffer.from(weights);
    copy.writeBigUInt64LE(
      r.pick([0n, 1n, 2n, 8n, 100_000_000n, 100_000_001n, 2n ** 63n, 2n ** 64n - 1n, BigInt(r.below(weights.length))]),
    );
    return { weights: copy };
  },
  "header bytes": (r, { weights }) => ({ weights: damageBytes(r, weights, 0, 8 + Number(weights.readBigUInt64LE(0))) }),
  "data bytes": (r, { weights }) => ({
    weights: damageBytes(r, weights, 8 + Number(weights.readBigUInt64LE(0)), weights.length),
  }),
  "data not finite": (r, { weights }) => {
    const copy = Buffer.from(weights);
    const begin = 8 + Number(weights.readBigUInt64LE(0));
    const at = begin + 4 * r.below(Math.floor((weights.length - begin) / 4));
    copy.writeUInt32LE(r.pick([0x7f80_0000, 0xff80_0000, 0x7fc0_0000, 0x7f80_7f80]), at);
    return { weights: copy };
  },
  // Models without shards get an index that is not read.
  "index bytes": (r, { index = Buffer.from("{}") }) => ({ index: damageBytes(r, index, 0, index.length) }),
  "no mutation": () => ({}),
};

// ---------------------------------------------------------------------------------------------------------------------
// child
/** The fixture models; of one in shards the first shard and the index are mutated. */
const originals = () =>
  fs.readdirSync(MODELS).map((name) => {
    const read = (file) => fs.readFileSync(path.join(MODELS, name, file));
    const files = fs.readdirSync(path.join(MODELS, name));
    const weightsFile = files.filter((file) => file.endsWith(".safetensors")).sort()[0];
    const index = files.includes(INDEX) ? read(INDEX) : undefined;
    return { name, config: JSON.parse(read("config.json").toString()), weightsFile, weights: read(weightsFile), index };
  });

const none = { rows: 0, data: new Float32Array(0) };

/** Fingerprint and hidden states of a model directory. */
async function open(directory, engine, cacheDirectory) {
  const backbone = await Backbone.open(directory, { engine, weights: { cacheDirectory }, onNotice: checkText });
  const model = new BaseModel(backbone, { users: 0, items: 0 });
  try {
    const ids = [1, 2, 3].filter((id) => id < backbone.config.vocabularySize);
    const start = model.layout.kind === "encoder-decoder" ? [model.layout.decoderStart] : [];
    const sequence = start.length > 0 ? { encoderIds: ids, decoderIds: start } : ids;
    const states = await model.hiddenStates([sequence], { users: none, items: none });
    return {
      fingerprint: JSON.stringify(backbone.fingerprint),
      states: Buffer.from(states[0].buffer).toString("base64"),
    };
  } finally {
    await model.dispose();
    await backbone.dispose();
  }
}

function checkText(text) {
  const lines = text.split("\n").length;
  if (CONTROL.test(text)) throw new Error(`control characters in ${JSON.stringify(text)}`);
  if (lines > 1 && !text.includes("the weights do not fit")) throw new Error(`${lines} lines: ${JSON.stringify(text)}`);
  if (text.length > 6000) throw new Error(`${text.length} characters: ${JSON.stringify(text.slice(0, 200))}`);
}

async function child(first, last, seed, folder) {
  const engine = onnxRuntime({ threads: 1 });
  const models = originals();
  const references = new Map();
  const cache = path.join(folder, "cache");
  for (let at = first; at < last; at++) {
    const r = randomness(seed * 1_000_003 + at);
    const original = r.pick(models);
    const kind = r.pick(Object.keys(MUTATIONS));
    console.log(JSON.stringify({ at, kind, model: original.name }));
    const { config = original.config, weights = original.weights, index } = MUTATIONS[kind](r, original, models);
    const directory = path.join(folder, `case-${at}`);
    fs.cpSync(path.join(MODELS, original.name), directory, { recursive: true });
    fs.writeFileSync(path.join(directory, original.weightsFile), weights);
    if (index) fs.writeFileSync(path.join(directory, INDEX), index);
    const text = typeof config === "string" || Buffer.isBuffer(config) ? config : JSON.stringify(config);
    fs.writeFileSync(path.join(directory, "config.json"), text);
    if (!references.has(original.name))
      references.set(original.name, await open(path.join(MODELS, original.name), engine, cache));
    const reference = references.get(original.name);
    let outcome;
    try {
      const found = await open(directory, engine, cache);
      if (found.fingerprint !== reference.fingerprint) outcome = { outcome: "another" };
      else if (found.states === reference.states) outcome = { outcome: "identical" };
      else outcome = { outcome: "FAILED", why: "the same fingerprint, other hidden states" };
    } catch (error) {
      try {
        checkText(error.message);
        // A valid model may be too short for the three tokens that are asked of it.
        const expected =
          error instanceof CheckpointError ||
          (error instanceof RangeError && /maxPositions|positions|longer/.test(error.message));
        outcome = expected ? { outcome: "refused" } : { outcome: "FAILED", why: `${error.name}: ${error.message}` };
      } catch (wrong) {
        outcome = { outcome: "FAILED", why: wrong.message };
      }
    }
    if (outcome.outcome === "FAILED") outcome.files = directory;
    else fs.rmSync(directory, { recursive: true });
    console.log(JSON.stringify({ at, ...outcome }));
  }
  await engine.dispose();
}

// ---------------------------------------------------------------------------------------------------------------------
// parent
/** Runs cases from `first`; returns where it ended, which is before `last` where the child crashed or hung. */
async function watch(first, last, seed, folder, record) {
  const script = fileURLToPath(import.meta.url);
  const running = spawn(
    process.execPath,
    ["--max-old-space-size=256", script, "--child", first, last, seed, folder].map(String),
  );
  let begun;
  let done = first;
  let errors = "";
  const stop = () => running.kill("SIGKILL");
  let timer = setTimeout(stop, PATIENCE);
  running.stderr.on("data", (data) => {
    errors = (errors + data).slice(-2000);
  });
  for await (const line of createInterface({ input: running.stdout })) {
    clearTimeout(timer);
    timer = setTimeout(stop, PATIENCE);
    const message = JSON.parse(line);
    if (message.kind) begun = message;
    else {
      record(begun.kind, message.outcome, { ...begun, ...message });
      done = message.at + 1;
    }
  }
  clearTimeout(timer);
  if (done < last && begun)
    record(begun.kind, "FAILED", { ...begun, why: `the process ended or hung: ${errors.slice(-500)}` });
  return done < last ? done + 1 : last;
}

async function main(cases, seed) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-fuzz-"));
  const counts = new Map();
  const failures = [];
  const record = (kind, outcome, details) => {
    const row = counts.get(kind) ?? { identical: 0, another: 0, refused: 0, FAILED: 0 };
    row[outcome]++;
    counts.set(kind, row);
    if (outcome !== "FAILED") return;
    failures.push(details);
    console.log(
      `FAILED case ${details.at} (${details.kind}, ${details.model}): ${details.why}; files: ${details.files ?? "–"}`,
    );
  };
  for (let at = 0; at < cases; ) {
    const last = Math.min(cases, (Math.floor(at / PER_CHILD) + 1) * PER_CHILD);
    at = await watch(at, last, seed, folder, record);
  }
  console.log(`\n${cases} cases, seed ${seed}, ${fs.readdirSync(MODELS).length} models, Node ${process.version}`);
  const columns = ["identical", "another", "refused", "FAILED"];
  console.log(`${"mutation".padEnd(24)}${columns.map((name) => name.padStart(11)).join("")}`);
  const total = Object.fromEntries(columns.map((name) => [name, 0]));
  for (const kind of Object.keys(MUTATIONS)) {
    const row = counts.get(kind) ?? {};
    for (const name of columns) total[name] += row[name] ?? 0;
    console.log(`${kind.padEnd(24)}${columns.map((name) => String(row[name] ?? 0).padStart(11)).join("")}`);
  }
  console.log(`${"all".padEnd(24)}${columns.map((name) => String(total[name]).padStart(11)).join("")}`);
  if (failures.length === 0) fs.rmSync(folder, { recursive: true, force: true });
  process.exitCode = failures.length === 0 ? 0 : 1;
}

const [first, ...rest] = process.argv.slice(2);
if (first === "--child") await child(Number(rest[0]), Number(rest[1]), Number(rest[2]), rest[3]);
else await main(Number(first ?? 3000), Number(rest[0] ?? 1));
