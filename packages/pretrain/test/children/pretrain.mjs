// A pretraining run in a process of its own, to be killed: node pretrain.mjs FOLDER BACKBONE. Prints "started", and
// "ended REASON" at last.
import fs from "node:fs";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { pretrain } from "@cllm4rec/pretrain";
import { initialTables } from "@cllm4rec/training/stage";

const [folder, directory] = process.argv.slice(2);
const [users, items, rows] = [40, 20, 128];
const encodeText = (text) => Array.from(text, (character) => character.codePointAt(0));
const backbone = await Backbone.open(directory);
const model = new BaseModel(backbone, { users, items });
const { reason } = await pretrain({
  model,
  tokenizer: {
    rows,
    users,
    items,
    userToken: (user) => rows + user,
    itemToken: (item) => rows + users + item,
    encodeText,
    encodePrompt: (parts) =>
      parts.flatMap((part) => (typeof part === "string" ? encodeText(part) : [rows + part.user])),
  },
  tables: initialTables({ users, items, width: 8, seed: 1, priorDeviation: 0.3, contentDeviation: 0.1 }),
  train: {
    rows: users,
    columns: items,
    indptr: Int32Array.from({ length: users + 1 }, (_, user) => 3 * user),
    indices: Int32Array.from({ length: 3 * users }, (_, n) => (Math.floor(n / 3) + 4 * (n % 3)) % items),
  },
  texts: {
    length: items,
    maxLength: 3,
    identity: "child",
    lengthAt: () => 3,
    document: (item) => ({
      ids: Int32Array.of(rows + item, rows + users + item, 97),
      targets: Int32Array.of(-1, 97, 98 + (item % 5)),
    }),
  },
  warmUpEpochs: 3,
  rounds: 6,
  batch: { documents: 10 },
  textBatch: { documents: 5 },
  learningRate: 0.02,
  dropout: 0.1,
  saveEverySeconds: 0,
  output: { directory: folder, backboneId: "tiny" },
  onEvent: (event) => {
    if (event.type === "run-started") fs.writeSync(1, "started\n");
  },
});
await model.dispose();
await backbone.dispose();
fs.writeSync(1, `ended ${reason}\n`);
