// The package's benchmark: what a million users and a million items cost, and what extending costs ordinary text.
//   pnpm bench [-- --json] [-- --shared DIRECTORY]      (after the build; DIRECTORY holds models/ and data/, default
//                                                       ../shared beside the checkout)
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { gunzipSync } from "node:zlib";
import { ExtendedTokenizer, huggingFaceTokenizerJsonChunks } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { Tokenizer } from "@huggingface/tokenizers";

setFlagsFromString("--expose-gc");
const gc = runInNewContext("gc");
const here = path.dirname(fileURLToPath(import.meta.url));
const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== "--"),
  options: { json: { type: "boolean" }, shared: { type: "string", default: path.resolve(here, "../../../../shared") } },
});

const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const round = (x, digits = 2) => Number(x.toFixed(digits));

/** Milliseconds and megabytes (heap and array buffers, live after a collection) of making one thing. */
function cost(make) {
  gc();
  const before = process.memoryUsage();
  const start = performance.now();
  const made = make();
  const milliseconds = performance.now() - start;
  gc();
  const after = process.memoryUsage();
  const megabytes = (after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers) / 1e6;
  return { made, milliseconds, megabytes };
}

function reviews(shared) {
  const file = path.join(shared, "data/amazon-musical-instruments/reviews_Musical_Instruments_5.json.gz");
  if (fs.existsSync(file)) {
    const lines = gunzipSync(fs.readFileSync(file)).toString("utf8").trim().split("\n", 400);
    return { source: "400 reviews of Musical Instruments", texts: lines.map((line) => JSON.parse(line).reviewText) };
  }
  const prose = fs
    .readFileSync(path.join(here, "..", "README.md"), "utf8")
    .split("\n")
    .filter((line) => line.length > 40);
  return {
    source: "the README of this package",
    texts: Array.from({ length: 400 }, (_, n) => prose[n % prose.length]),
  };
}

async function bases(shared) {
  const found = [];
  for (const entry of JSON.parse(fs.readFileSync(path.join(here, "../test/oracle/bases.json"), "utf8"))) {
    const directory = entry.shared && path.join(shared, entry.shared);
    if (directory && fs.existsSync(directory)) found.push({ ...entry, ...(await loadTokenizer(directory)) });
    else if (entry.tiny) {
      const file = path.join(here, "../test/fixtures/tiny", `${entry.name}.json`);
      const { tokenizer: json, config } = JSON.parse(fs.readFileSync(file, "utf8"));
      found.push({ ...entry, json, tokenizer: new Tokenizer(json, config) });
    }
  }
  const real = found.filter((base) => !base.tiny);
  return real.length > 0 ? real : found;
}

/** Texts timed together before the turn changes. */
const TURN = 20;

/**
 * Time of encodeText over that of the plain tokenizer. The two take turns every few texts, each first in half of them,
 * so that the library's word cache and a busy machine weigh on both alike; medians over `rounds`.
 */
function textCost({ tokenizer }, extended, texts, rounds) {
  const encoders = [
    (text) => tokenizer.encode(text, { add_special_tokens: false }).ids,
    (text) => extended.encodeText(text),
  ];
  const times = [[], []];
  let tokens = 0;
  for (let pass = -1; pass < rounds; pass++) {
    const spent = [0, 0];
    tokens = 0;
    for (let at = 0; at < texts.length; at += TURN) {
      const turn = texts.slice(at, at + TURN);
      const first = (pass + at / TURN) & 1;
      for (const which of [first, 1 - first]) {
        const start = performance.now();
        for (const text of turn) tokens += encoders[which](text).length;
        spent[which] += performance.now() - start;
      }
    }
    tokens /= 2;
    if (pass < 0) continue; // the first round warms up
    times[0].push(spent[0]);
    times[1].push(spent[1]);
  }
  const [plain, ours] = times.map((each) => Math.round((tokens / median(each)) * 1000));
  const ratio = round(median(times[1].map((time, n) => time / times[0][n])), 3);
  return { plainTokensPerSecond: plain, tokensPerSecond: ours, ratio };
}

const { source, texts } = reviews(values.shared);
const extend = [];
const text = [];
for (const base of await bases(values.shared)) {
  const sizes = { rows: base.rows, users: 1_000_000, items: 1_000_000 };
  const runs = Array.from({ length: 5 }, () =>
    cost(() => new ExtendedTokenizer({ tokenizer: base.tokenizer, ...sizes })),
  );
  const { made: extended } = runs[0];
  extend.push({
    base: base.name,
    firstMilliseconds: round(runs[0].milliseconds),
    milliseconds: round(median(runs.map((run) => run.milliseconds))),
    megabytes: round(Math.max(...runs.map((run) => run.megabytes))),
  });
  const sample = base.name === "t5" ? texts.slice(0, 150) : texts; // the Unigram model is slower
  text.push({ base: base.name, ...textCost(base, extended, sample, 15) });
}

const [base] = await bases(values.shared);
const extended = new ExtendedTokenizer({
  tokenizer: base.tokenizer,
  rows: base.rows,
  users: 1_000_000,
  items: 1_000_000,
});
const prompts = Array.from({ length: 20_000 }, (_, n) => [
  { user: n },
  " has interacted with",
  ...Array.from({ length: 20 }, (_unused, k) => ({ item: (n * 7919 + k * 104_729) % 1_000_000 })),
]);
const start = performance.now();
const promptTokens = prompts.reduce((n, parts) => n + extended.encodePrompt(parts).length, 0);
const prompt = { base: base.name, tokensPerSecond: Math.round((promptTokens / (performance.now() - start)) * 1000) };

const exportStart = performance.now();
let bytes = 0;
const largest = { rows: base.rows, users: 1_000_000, items: 1_000_000 };
for (const chunk of huggingFaceTokenizerJsonChunks(base.json, largest, { warn: () => {} })) bytes += chunk.length;
const exported = {
  base: base.name,
  megabytes: round(bytes / 1e6, 0),
  seconds: round((performance.now() - exportStart) / 1000),
};

const result = {
  machine:
    `${os.cpus()[0]?.model ?? "unknown CPU"}, ${os.availableParallelism()} cores, ` +
    `${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()}, Node ${process.versions.node}`,
  date: new Date().toISOString().slice(0, 10),
  extend,
  text: { source, bases: text },
  prompt,
  export: exported,
};
if (values.json) console.log(JSON.stringify(result));
else {
  console.log(
    `${result.machine}, ${result.date}\n\nExtending by 1,000,000 users and 1,000,000 items (limits: 50 ms, 50 MB)`,
  );
  console.table(extend);
  console.log(`Ordinary text, ${source}: encodeText against the plain tokenizer (limit: ratio 1.10)`);
  console.table(text);
  console.log(`Prompts of 20 items, ${prompt.base}: ${prompt.tokensPerSecond.toLocaleString("en")} tokens/s`);
  console.log(
    `Export for Python with 2,000,000 added tokens, ${exported.base}: ${exported.megabytes} MB written in ` +
      `${exported.seconds} s`,
  );
}
const missed = [
  ...extend.filter((row) => row.firstMilliseconds > 50 || row.megabytes > 50),
  ...text.filter((row) => row.ratio > 1.1),
];
if (missed.length > 0) {
  console.error(`limits missed: ${JSON.stringify(missed)}`);
  process.exitCode = 1;
}
