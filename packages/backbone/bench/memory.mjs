// Resident memory over many training steps with ragged batches: node bench/memory.mjs [model directory or hub id]
// [steps]
import process from "node:process";
import { Backbone, BaseModel } from "@cllm4rec/backbone";

const [model = "HuggingFaceTB/SmolLM2-135M-Instruct", steps = "500"] = process.argv.slice(2);
const USERS = 1_000;
const ITEMS = 500;
const BATCH = 32;

const backbone = await Backbone.open(model);
const baseModel = new BaseModel(backbone, { users: USERS, items: ITEMS });
const { words, width, maxPositions } = baseModel.vocabulary;

let state = 1;
const below = (n) => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return Math.floor((state / 2 ** 32) * n);
};
const rows = (count) => Float32Array.from({ length: count * width }, () => (below(2_001) - 1_000) / 7_000);
const tables = { users: { rows: USERS, data: rows(USERS) }, items: { rows: ITEMS, data: rows(ITEMS) } };

/** A batch of documents of 4 to 64 tokens, about user and items, with a target at every position but the first. */
function documents() {
  return Array.from({ length: BATCH }, () => {
    const length = Math.min(maxPositions, 4 + below(61));
    const item = () => words + USERS + below(ITEMS);
    const ids = [words + below(USERS), ...Array.from({ length: length - 1 }, item)];
    return { ids, targets: [-1, ...ids.slice(2), item()], heldOut: [below(ITEMS), below(ITEMS)] };
  });
}

const mebibytes = (bytes) => Math.round(bytes / 2 ** 20);
console.log(`${model}, ${backbone.engine.description}, Node ${process.version}, batches of ${BATCH}`);
console.log("step  resident MiB  JavaScript heap MiB");
const seen = [];
for (let step = 1; step <= Number(steps); step++) {
  const batch = documents();
  // Two heads in turn, so that both sessions live
  if (step % 2 === 0) await baseModel.heldOutLoss(batch, tables);
  else await baseModel.nextItemLoss(batch, tables);
  if (step % Math.max(1, Math.round(Number(steps) / 10)) === 0) {
    globalThis.gc?.();
    const { rss, heapUsed } = process.memoryUsage();
    seen.push(rss);
    console.log(`${String(step).padStart(4)}  ${String(mebibytes(rss)).padStart(12)}  ${mebibytes(heapUsed)}`);
  }
}
console.log(
  `peak ${mebibytes(process.resourceUsage().maxRSS * 1024)} MiB; from ${mebibytes(seen[1] ?? seen[0])} to ` +
    `${mebibytes(seen.at(-1))} MiB since the second line`,
);
await baseModel.dispose();
await backbone.dispose();
