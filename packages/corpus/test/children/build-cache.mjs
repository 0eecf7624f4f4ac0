// Child process of the token cache's tests: tokenises generated reviews into a cache and walks one epoch of batches
// over them.
// Arguments: cache folder, number of reviews, milliseconds to wait before each thousand. Prints one line of JSON.
import { BatchPlan, decoderOnly, openTokenCache, textDocuments } from "@cllm4rec/corpus";

const [directory, count, pause] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4] ?? 0)];
const words = Array.from({ length: 500 }, (_, w) => `word${(w * 7919) % 1000}`);

async function* reviews() {
  for (let k = 0; k < count; k++) {
    if (pause > 0 && k % 1000 === 0) await new Promise((resolve) => setTimeout(resolve, pause));
    const text = Array.from({ length: 20 + (k % 60) }, (_, w) => words[(k * 31 + w * w) % words.length]).join(" ");
    yield { user: k % 1000, item: k % 300, text };
  }
}
const encodeText = (text) => text.split(" ").map((word) => Number(word.slice(4)));
const tokenizer = {
  rows: 50_000,
  users: 1000,
  items: 300,
  userToken: (user) => 50_000 + user,
  itemToken: (item) => 51_000 + item,
  encodeText,
  encodePrompt: (parts) =>
    parts.map((part) =>
      typeof part === "string" ? part.length : "user" in part ? 50_000 + part.user : 51_000 + part.item,
    ),
};
const corpus = { kind: "reviews", contentHash: `generated-${count}`, read: reviews };
const cache = await openTokenCache({ directory, tokenizer, tokenizerIdentity: "words", corpus });
const source = textDocuments({ tokenizer, cache, layout: decoderOnly(), maxLength: 64 });
const plan = new BatchPlan(source, { size: { tokens: 8192 } });
let tokens = 0;
for (const batch of plan.batches({ seed: 0, epoch: 0, step: 0 })) {
  for (const document of batch.documents) tokens += document.ids.length;
}
const { file, documents, reused } = cache;
console.log(
  JSON.stringify({ file, documents, reused, tokens, cached: cache.tokens, maxRss: process.resourceUsage().maxRSS }),
);
cache.close();
