// Times top-K selection and the whole evaluation of a score matrix against the matmul that makes the scores, block by
// block.
//   node bench/top-k.mjs [--users 22686] [--items 12301] [--width 768] [--k 100] [--block 512] [--json]   (after npm
//   run build)
import os from "node:os";
import { parseArgs } from "node:util";
import { itemLists, RankingEvaluator, sliceItemLists, topK } from "@cllm4rec/eval";
import * as ort from "onnxruntime-node";

const { values: flags } = parseArgs({
  options: {
    users: { type: "string", default: "22686" },
    items: { type: "string", default: "12301" },
    width: { type: "string", default: "768" },
    k: { type: "string", default: "100" },
    block: { type: "string", default: "512" },
    threads: { type: "string", default: "2" },
    json: { type: "boolean", default: false },
  },
});
const [users, items, width, k, block, threads] = ["users", "items", "width", "k", "block", "threads"].map((name) =>
  Number(flags[name]),
);

// One MatMul node as an ONNX model. Protocol buffers: a field is (number << 3 | wire type), wire type 2 is a length and
// bytes.
const varint = (value) => (value < 128 ? [value] : [(value & 127) | 128, ...varint(value >>> 7)]);
const integer = (field, value) => [field << 3, ...varint(value)];
const bytes = (field, content) => [(field << 3) | 2, ...varint(content.length), ...content];
const text = (field, string) => bytes(field, [...Buffer.from(string)]);
const tensorInfo = (field, name, rows, columns) =>
  bytes(field, [
    ...text(1, name),
    ...bytes(
      2,
      bytes(1, [
        ...integer(1, 1),
        ...bytes(
          2,
          [rows, columns].flatMap((dim) => bytes(1, dim)),
        ),
      ]),
    ),
  ]);
const fixed = (size) => integer(1, size);
const symbolic = (name) => text(2, name);
const model = Uint8Array.from([
  ...integer(1, 8), // IR version
  ...bytes(8, [...text(1, ""), ...integer(2, 17)]), // operator set
  ...bytes(7, [
    ...bytes(1, [...text(1, "hidden"), ...text(1, "item"), ...text(2, "scores"), ...text(4, "MatMul")]),
    ...text(2, "scores"),
    ...tensorInfo(11, "hidden", symbolic("B"), fixed(width)),
    ...tensorInfo(11, "item", fixed(width), fixed(items)),
    ...tensorInfo(12, "scores", symbolic("B"), fixed(items)),
  ]),
]);

// Seeded data: normal-ish factors; 8 training items and 1 or 2 held-out items per user.
let state = 1;
const uniform = () => {
  state = (Math.imul(state, 1664525) + 1013904223) | 0;
  return (state >>> 0) / 2 ** 32;
};
const normal = () => uniform() + uniform() + uniform() - 1.5;
const hidden = Float32Array.from({ length: users * width }, normal);
const item = new ort.Tensor("float32", Float32Array.from({ length: width * items }, normal), [width, items]);
const drawn = Array.from({ length: users }, () => {
  const set = new Set();
  while (set.size < 10) set.add(Math.floor(uniform() * items));
  return [...set];
});
const masked = itemLists(drawn.map((list) => list.slice(0, 8)));
const heldOut = itemLists(drawn.map((list) => list.slice(8, uniform() < 0.5 ? 9 : 10)));

const session = await ort.InferenceSession.create(model, { intraOpNumThreads: threads, executionProviders: ["cpu"] });
const evaluator = new RankingEvaluator({
  items,
  metrics: [
    "recall@20",
    "recall@40",
    "recall-all@20",
    "ndcg@100",
    "mrr@100",
    "map@100",
    "hit@20",
    "precision@20",
    "coverage@20",
    "gini@20",
  ],
});
const times = { matmul: [], topK: [], evaluate: [], ascending: [] };
/** Notes the run time of `work` on one block. */
const timed = async (name, work) => {
  const start = performance.now();
  const result = await work();
  times[name].push((performance.now() - start) / 1000);
  return result;
};
const blocks = [];
for (let from = 0; from < users; from += block) blocks.push([from, Math.min(from + block, users)]);
const rows = (from, to) => new ort.Tensor("float32", hidden.subarray(from * width, to * width), [to - from, width]);

// One block of each beforehand: JIT, prepacking and memory pools are not what is measured.
const warm = (await session.run({ hidden: rows(0, block), item })).scores.data;
topK(warm, { items, k, masked: sliceItemLists(masked, 0, block) });
const ascending = Float32Array.from({ length: block * items }, (_, i) => i % items);

for (const [from, to] of blocks) {
  const { scores } = await timed("matmul", () => session.run({ hidden: rows(from, to), item }));
  const batch = { masked: sliceItemLists(masked, from, to), heldOut: sliceItemLists(heldOut, from, to) };
  await timed("topK", () => topK(scores.data, { items, k, masked: batch.masked }));
  await timed("evaluate", () => evaluator.addScores({ scores: scores.data, ...batch }));
  scores.dispose();
}
for (let i = 0; i < 5; i++) await timed("ascending", () => topK(ascending, { items, k }));

// The median block, times the number of blocks: what else runs on the machine disturbs it least.
const seconds = Object.fromEntries(
  Object.entries(times).map(([name, list]) => [name, (list.sort((a, b) => a - b)[list.length >> 1] * users) / block]),
);

const report = {
  users,
  items,
  width,
  k,
  block,
  threads,
  seconds: Object.fromEntries(Object.entries(seconds).map(([name, value]) => [name, Number(value.toFixed(3))])),
  gflops: Number(((2 * users * items * width) / seconds.matmul / 1e9).toFixed(1)),
  topKPerMatmul: Number((seconds.topK / seconds.matmul).toFixed(3)),
  evaluatePerMatmul: Number((seconds.evaluate / seconds.matmul).toFixed(3)),
  machine:
    `${os.cpus()[0].model}, ${os.cpus().length} cores, Node ${process.version}, onnxruntime-node ` +
    `${ort.env.versions.node}`,
  date: new Date().toISOString().slice(0, 10),
};
if (flags.json) console.log(JSON.stringify(report));
else {
  console.log(
    `scores [${users}, ${items}], width ${width}, K = ${k}, blocks of ${block} users; ${report.machine}; ` +
      `${report.date}`,
  );
  console.log(`matmul (${threads} threads)          ${seconds.matmul.toFixed(2)} s  (${report.gflops} GFLOP/s)`);
  console.log(`top-K (1 thread)            ${seconds.topK.toFixed(2)} s  = ${report.topKPerMatmul} × matmul`);
  console.log(`whole evaluation (1 thread) ${seconds.evaluate.toFixed(2)} s  = ${report.evaluatePerMatmul} × matmul`);
  console.log(
    `top-K, ascending scores     ${seconds.ascending.toFixed(2)} s  = ` +
      `${(seconds.ascending / seconds.matmul).toFixed(3)} × matmul`,
  );
  console.log(`metrics of the random scores: ${JSON.stringify(evaluator.result().metrics)}`);
}
