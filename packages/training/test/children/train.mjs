// A run in a process of its own, to be killed: node train.mjs FOLDER BACKBONE. Prints "started" before the first
// update, "ended REASON" at last.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { Parameters, train } from "@cllm4rec/training";
import { writeModel } from "@cllm4rec/training/model";
import { initialTables, mapTask, stageCheckpoint, tableParameters, tablesOf } from "@cllm4rec/training/stage";

const [folder, directory] = process.argv.slice(2);
const sizes = { users: 500, items: 40 };
const width = 8;
const words = 13;
const item = (j) => words + sizes.users + j;

// Six documents of each kind; which ones a batch has, its step says.
const itemDocuments = Array.from({ length: 6 }, (_, d) => ({
  ids: [words + 60 * d, 3, item(d), item(d + 7)],
  targets: [-1, item(d), item(d + 7), item(2 * d + 20)],
}));
const wordDocuments = Array.from({ length: 6 }, (_, d) => ({
  ids: [words + 60 * d, 4, item(d), 1 + d],
  targets: [-1, -1, 1 + d, 12 - d],
}));
const batches = (documents) => ({
  identity: "child",
  steps: () => 3,
  batch: ({ seed, epoch, step }) => ({
    documents: [documents[(2 * step + epoch) % 6], documents[(2 * step + epoch + 1) % 6]],
    next: step === 2 ? { seed, epoch: epoch + 1, step: 0 } : { seed, epoch, step: step + 1 },
  }),
});

const backbone = await Backbone.open(directory);
const model = new BaseModel(backbone, sizes);
const tables = initialTables({ ...sizes, width, seed: 4, priorDeviation: 0.5, contentDeviation: 0.1 });
const common = { model, tables, lambdaC: 0.5, learningRate: 0.01, clipNorm: 1 };
const end = await train({
  stage: "test",
  parameters: new Parameters(tableParameters(tables, width)),
  tasks: {
    "l-step": mapTask({ ...common, side: "collaborative", loss: "next-item", batches: batches(itemDocuments) }),
    "c-step": mapTask({ ...common, side: "content", loss: "next-word", batches: batches(wordDocuments) }),
  },
  rounds: (round) =>
    round < 10 ? { phase: "alternation", segments: [{ task: "l-step" }, { task: "c-step", steps: 2 }] } : undefined,
  seed: 4,
  settings: { learningRate: 0.01 },
  memory: {},
  store: stageCheckpoint(folder, "test"),
  saveEverySeconds: 0,
  onEvent(event) {
    if (event.type === "run-started") fs.writeSync(1, "started\n");
  },
  async afterRound({ round, memory, save, values }) {
    memory.rounds = [...(memory.rounds ?? []), round];
    await save();
    await writeModel(folder, {
      description: {
        format: "cllm4rec-model",
        version: 1,
        backbone: { id: path.basename(directory), contentHash: backbone.contentHash },
        sizes: { words, ...sizes, width },
        stage: "test",
        settings: { round },
      },
      tables: tablesOf(values),
    });
    return "continue";
  },
});
await model.dispose();
await backbone.dispose();
fs.writeSync(1, `ended ${end.reason}\n`);
