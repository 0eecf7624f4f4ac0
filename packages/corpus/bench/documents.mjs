// Tokens per second of building documents and batches, cached and uncached: `node bench/documents.mjs [--json]` after a
// build. Synthetic data of the size of AM-Beauty (Table 3): 10,553 users, 6,086 items, 70,604 reviews; medians of five
// epochs. With ../shared/models/gpt2-tokenizer beside the checkout the texts are tokenised by GPT-2's tokenizer,
// otherwise word by word.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  BatchPlan,
  decoderOnly,
  interactionDocuments,
  openTokenCache,
  recommendationDocuments,
  textDocuments,
} from "@cllm4rec/corpus";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";

const [users, items, reviewCount] = [10_553, 6_086, 70_604];
const shared = path.resolve(import.meta.dirname, "../../../../shared/models/gpt2-tokenizer");
const real = fs.existsSync(shared);

// A linear congruential generator: the figures must not depend on the machine's randomness.
let state = 1;
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
};
const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

async function makeTokenizer() {
  if (real) {
    const { tokenizer } = await loadTokenizer(shared);
    return new ExtendedTokenizer({ tokenizer, rows: 50_257, users, items });
  }
  const encodeText = (text) => text.split(" ").map((word) => (word.length * 31 + word.charCodeAt(0)) % 50_257);
  return {
    rows: 50_257,
    users,
    items,
    userToken: (user) => 50_257 + user,
    itemToken: (item) => 50_257 + users + item,
    encodeText,
    encodePrompt: (parts) =>
      parts.flatMap((part) =>
        typeof part === "string" ? encodeText(part) : [50_257 + ("user" in part ? part.user : users + part.item)],
      ),
  };
}

function makeInteractions() {
  const rows = Array.from({ length: users }, () => {
    const row = new Set();
    const length = Math.min(200, 4 + Math.round(3 * Math.exp(normal())));
    while (row.size < length) row.add(Math.floor(items * random() ** 2));
    return [...row];
  });
  const indptr = new Int32Array(users + 1);
  for (const [user, row] of rows.entries()) indptr[user + 1] = indptr[user] + row.length;
  return { rows: users, columns: items, indptr, indices: Int32Array.from(rows.flat()) };
}

const words = (
  "this is a very good product and I would buy it again because the quality seems better than most of what you " +
  "get for that price my skin feels softer after using twice daily though smell could be nicer shipping took " +
  "forever bottle arrived half-empty"
).split(" ");
function* makeReviews() {
  state = 2;
  for (let k = 0; k < reviewCount; k++) {
    const length = Math.max(3, Math.min(600, Math.round(60 * Math.exp(0.8 * normal()))));
    const text = Array.from({ length }, () => words[Math.floor(words.length * random())]).join(" ");
    yield { user: k % users, item: k % items, text: `${text}.` };
  }
}

const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const seconds = (since) => (performance.now() - since) / 1000;
const results = [];
function measure(name, source, size) {
  const plan = new BatchPlan(source, { size });
  const rates = [];
  let [tokens, documents] = [0, 0];
  for (let epoch = 0; epoch < 5; epoch++) {
    [tokens, documents] = [0, 0];
    const since = performance.now();
    for (const batch of plan.batches({ seed: 0, epoch, step: 0 })) {
      documents += batch.documents.length;
      for (const { ids } of batch.documents) tokens += ids.length;
    }
    rates.push(tokens / seconds(since));
  }
  results.push({ what: name, documents, tokens, tokensPerSecond: Math.round(median(rates)) });
}

const directory = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-bench-"));
try {
  const tokenizer = await makeTokenizer();
  const interactions = makeInteractions();
  const common = { tokenizer, layout: decoderOnly(), maxLength: 512 };
  const corpus = { kind: "reviews", contentHash: "bench", read: makeReviews };
  const open = () => openTokenCache({ directory, tokenizer, tokenizerIdentity: real ? "gpt2" : "words", corpus });

  const since = performance.now();
  const built = await open();
  const name = real ? "GPT-2's tokenizer" : "a word tokenizer";
  results.push({
    what: `tokenising reviews into the cache, once (${name})`,
    documents: built.documents,
    tokens: built.tokens,
    tokensPerSecond: Math.round(built.tokens / seconds(since)),
  });
  built.close();
  const reopened = performance.now();
  const cache = await open();
  const openMs = seconds(reopened) * 1000;

  measure("interaction documents", interactionDocuments({ ...common, interactions }), { documents: 128 });
  const masked = { ...common, interactions, maskedShare: [0.2, 0.6] };
  measure("recommendation documents", recommendationDocuments(masked), { documents: 128 });
  const reviews = textDocuments({ ...common, cache });
  measure("review documents from the cache, batches of 64", reviews, { documents: 64 });
  measure("review documents from the cache, batches of 8,192 tokens", reviews, { tokens: 8192 });
  cache.close();

  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ cpu: os.cpus()[0].model, node: process.version, openMs, results }));
  } else {
    for (const { what, documents, tokens, tokensPerSecond } of results) {
      const rate =
        tokensPerSecond >= 1e6 ? `${(tokensPerSecond / 1e6).toFixed(1)} M` : `${Math.round(tokensPerSecond / 1e3)} k`;
      console.log(
        `${what.padEnd(64)} ${String(documents).padStart(6)} documents ${String(tokens).padStart(9)} tokens ` +
          `${rate.padStart(7)} tokens/s`,
      );
    }
    console.log(`opening and verifying the cache: ${openMs.toFixed(0)} ms`);
  }
} finally {
  fs.rmSync(directory, { recursive: true });
}
