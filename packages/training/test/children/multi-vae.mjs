// Multi-VAE in a process of its own, to be killed: node multi-vae.mjs FOLDER. Prints "started" before the first update,
// "ended REASON" at last.
import fs from "node:fs";
import path from "node:path";
import { onnxRuntime } from "@cllm4rec/onnx-grad";
import { bestCheckpoint, checkpointFile, train } from "@cllm4rec/training";
import { multiVae } from "../../examples/multi-vae/graph.mjs";
import { vaeParameters, vaeTask } from "../../examples/multi-vae/task.mjs";

const [folder] = process.argv.slice(2);
const sizes = { items: 30, hidden: 8, latent: 3 };
const settings = { batch: 7, learningRate: 0.01, dropout: 0.3, beta: 0.2, anneal: 30, seed: 5 };
const histories = (user) => [0, 1, 2, 3].map((k) => (user * 7 + 3 * k) % sizes.items);
const engine = onnxRuntime({ threads: 1 });
const session = await engine.load(multiVae(sizes, { training: true }));
const parameters = vaeParameters(sizes, { seed: 5, averageDecay: 0.9 });
const { reason } = await train({
  stage: "multi-vae",
  parameters,
  tasks: { users: vaeTask({ ...settings, session, parameters, histories, users: 40, sizes }) },
  rounds: (round) => (round < 12 ? { phase: "training", segments: [{ task: "users" }] } : undefined),
  seed: settings.seed,
  settings,
  validation: {
    measure: async (values) => ({ metrics: { bias: values["items.bias"].data.reduce((sum, x) => sum + x * x, 0) } }),
    keep: bestCheckpoint(checkpointFile(path.join(folder, "best.safetensors"))),
  },
  store: checkpointFile(path.join(folder, "state.safetensors")),
  saveEverySeconds: 0,
  onEvent(event) {
    if (event.type === "run-started") fs.writeSync(1, "started\n");
  },
});
await engine.dispose();
fs.writeSync(1, `ended ${reason}\n`);
