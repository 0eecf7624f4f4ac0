// From raw files to a split dataset: 200,000 reviews as json.gz, and ten million interactions as CSV with the memory
// they take.
// Run: npm run bench (after a build). Data are generated, seeded, in a temporary folder that is removed at the end.
import { fork } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import zlib from "node:zlib";
import { prepare } from "@cllm4rec/corpus";

const SELF = fileURLToPath(import.meta.url);

/** xorshift32: only the shape of the data matters here. */
function generator(seed) {
  let state = seed;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Reviews in the layout of Amazon 2014: log-like lengths, 95 words on average; skewed users and items. */
function writeReviews(file, count) {
  const random = generator(1);
  const letters = "etaoinshrdlucmfwypvbgk";
  const words = Array.from({ length: 20_000 }, () =>
    Array.from(
      { length: 2 + Math.floor(random() * random() * 10) },
      () => letters[Math.floor(random() ** 1.5 * letters.length)],
    ).join(""),
  );
  const parts = [];
  let bytes = 0;
  for (let k = 0; k < count; k++) {
    const length = 15 - Math.floor(80 * Math.log(random() + 1e-9));
    const text = Array.from({ length }, () => words[Math.floor(random() ** 3 * words.length)]).join(" ");
    const line = `${JSON.stringify({
      reviewerID: `A${String(1e12 + Math.floor(random() ** 2 * 22_000)).slice(0, 13)}`,
      asin: `B${String(1e8 + Math.floor(random() ** 2 * 12_000)).slice(0, 9)}`,
      reviewerName: "A. Reviewer",
      helpful: [0, 1],
      reviewText: text,
      overall: [1, 2, 3, 4, 4, 5, 5, 5, 5, 5][Math.floor(random() * 10)],
      summary: text.slice(0, 20),
      unixReviewTime: 1_300_000_000 + Math.floor(random() * 1e8),
      reviewTime: "02 28, 2014",
    })}\n`;
    bytes += line.length;
    parts.push(line);
  }
  fs.writeFileSync(file, zlib.gzipSync(Buffer.from(parts.join(""))));
  return bytes;
}

/** user,item,rating,timestamp with 14-character ids. */
function writeInteractions(file, count) {
  const random = generator(2);
  const descriptor = fs.openSync(file, "w");
  fs.writeSync(descriptor, "user,item,rating,timestamp\n");
  let bytes = 0;
  for (let done = 0; done < count; done += 100_000) {
    let block = "";
    for (let k = 0; k < Math.min(100_000, count - done); k++) {
      const user = Math.floor(random() ** 1.5 * 1_000_000);
      const item = Math.floor(random() ** 2 * 300_000);
      const rating = 1 + Math.floor(random() ** 0.4 * 5);
      const timestamp = 1_300_000_000 + Math.floor(random() * 1e8);
      block += `A${String(1e13 + user * 7919).slice(0, 13)},B${String(1e9 + item)},${rating},${timestamp}\n`;
    }
    bytes += fs.writeSync(descriptor, block);
  }
  fs.closeSync(descriptor);
  return bytes;
}

/** In a process of its own, so that its peak memory is that of the work alone. */
function measure(options) {
  return new Promise((resolve, reject) => {
    const child = fork(SELF, ["--child", JSON.stringify(options)]);
    child.once("message", resolve);
    child.once("exit", (code) => code !== 0 && reject(new Error(`exit code ${code}`)));
  });
}

if (process.argv[2] === "--child") {
  const started = performance.now();
  const { interactions } = await prepare({ ...JSON.parse(process.argv[3]), force: true });
  const seconds = (performance.now() - started) / 1000;
  process.send({ interactions, seconds, peakMiB: process.resourceUsage().maxRSS / 1024 });
} else {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-bench-"));
  try {
    const reviews = path.join(folder, "reviews.json.gz");
    const interactions = path.join(folder, "interactions.csv");
    const output = path.join(folder, "out");
    const cases = [
      ["200,000 reviews, json.gz", reviews, writeReviews(reviews, 200_000), 3],
      ["10,000,000 interactions, csv", interactions, writeInteractions(interactions, 10_000_000), 1],
    ];
    console.log(
      `Node ${process.version}, ${os.cpus()[0].model}, ${os.availableParallelism()} cores, ` +
        `${new Date().toISOString().slice(0, 10)}`,
    );
    console.log("input                           content MiB   seconds (median)   peak MiB   interactions kept");
    for (const [name, input, bytes, repeats] of cases) {
      const runs = [];
      for (let k = 0; k < repeats; k++) runs.push(await measure({ inputs: [input], output }));
      runs.sort((a, b) => a.seconds - b.seconds);
      const { seconds, peakMiB, interactions: kept } = runs[Math.floor(runs.length / 2)];
      console.log(
        `${name.padEnd(31)} ${(bytes / 2 ** 20).toFixed(0).padStart(11)} ${seconds.toFixed(2).padStart(18)} ` +
          `${peakMiB.toFixed(0).padStart(10)} ${String(kept).padStart(19)}`,
      );
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
