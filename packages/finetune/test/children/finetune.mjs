// A finetuning run in a process of its own, to be killed: node finetune.mjs FOLDER BACKBONE. Prints "started", and
// "ended REASON" at last.
import fs from "node:fs";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { finetune } from "@cllm4rec/finetune";
import { initialTables } from "@cllm4rec/training/stage";

const [folder, directory] = process.argv.slice(2);
const [users, items, rows] = [40, 20, 128];
const encodeText = (text) => Array.from(text, (character) => character.codePointAt(0));
const tokenizer = {
  rows,
  users,
  items,
  userToken: (user) => rows + user,
  itemToken: (item) => rows + users + item,
  encodeText,
  encodePrompt: (parts) =>
    parts.flatMap((part) =>
      typeof part === "string" ? encodeText(part) : ["user" in part ? rows + part.user : rows + users + part.item],
    ),
};
const matrix = (from, to) => ({
  rows: users,
  columns: items,
  indptr: Int32Array.from({ length: users + 1 }, (_, user) => user * (to - from)),
  indices: Int32Array.from({ length: users * (to - from) }, (_, n) => {
    const user = Math.floor(n / (to - from));
    return (user + 3 * (from + (n % (to - from)))) % items;
  }),
});

const backbone = await Backbone.open(directory);
const model = new BaseModel(backbone, { users, items });
const { reason } = await finetune({
  model,
  tokenizer,
  tables: initialTables({ users, items, width: 16, seed: 1, priorDeviation: 0.3 }),
  train: matrix(0, 4),
  validation: matrix(4, 5),
  epochs: 10,
  batch: { documents: 10 },
  learningRate: 0.02,
  metrics: ["ndcg@10"],
  saveEverySeconds: 0,
  output: { directory: folder, backboneId: "tiny" },
  onEvent: (event) => {
    if (event.type === "run-started") fs.writeSync(1, "started\n");
  },
});
await model.dispose();
await backbone.dispose();
fs.writeSync(1, `ended ${reason}\n`);
