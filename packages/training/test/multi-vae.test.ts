// The README's Multi-VAE: its gradients are those of its loss, and a run that is killed with SIGKILL ends with the same
// bytes.
import path from "node:path";
import { onnxRuntime } from "@cllm4rec/onnx-grad";
import { expectSameAfterKills } from "@cllm4rec/testing";
import { checkpointFile } from "@cllm4rec/training";
import { afterAll, expect, it } from "vitest";
import { multiVae } from "../examples/multi-vae/graph.mjs";
import { vaeParameters, vaeTask } from "../examples/multi-vae/task.mjs";
import { temporaryFolder } from "./helpers.js";

const engine = onnxRuntime({ threads: 1 });
afterAll(() => engine.dispose());

it("has the gradients of its loss, by central differences", async () => {
  const sizes = { items: 9, hidden: 4, latent: 2 };
  const session = await engine.load(multiVae(sizes, { training: true }));
  const parameters = vaeParameters(sizes, { seed: 3, averageDecay: undefined });
  const histories = (user: number) => [user % 9, (user + 2) % 9, (user + 5) % 9];
  const settings = { batch: 6, learningRate: 0.01, dropout: 0.2, beta: 0.5, anneal: 1, seed: 3 };
  const task = vaeTask({ ...settings, session, parameters, histories, users: 6, sizes });
  const batch = task.prepare({ seed: 3, epoch: 0, step: 0 });
  const objective = async () => {
    const { loss, terms } = await batch.compute({ update: 4 });
    return loss + terms!.kl!;
  };
  const { gradients } = await batch.compute({ update: 4 });
  expect(Object.keys(gradients).sort()).toEqual(Object.keys(parameters.values).sort());
  for (const [name, { data }] of Object.entries(parameters.values)) {
    const at = data.length >> 1;
    const [kept, step] = [data[at]!, 1e-2];
    data[at] = kept + step;
    const above = await objective();
    data[at] = kept - step;
    const below = await objective();
    data[at] = kept;
    const slope = (gradients[name] as Float32Array)[at]!;
    expect(Math.abs((above - below) / (2 * step) - slope), name).toBeLessThan(2e-3 + 0.02 * Math.abs(slope));
  }
});

it("ends with the same bytes after kills with SIGKILL", async () => {
  const broken = temporaryFolder();
  await expectSameAfterKills(path.join(import.meta.dirname, "children", "multi-vae.mjs"), {
    folders: [temporaryFolder(), broken],
    args: [],
    kills: 4,
    latest: 0.4,
    files: ["state.safetensors", "best.safetensors"],
    afterKill: async () => {
      await checkpointFile(path.join(broken, "state.safetensors")).load();
      await checkpointFile(path.join(broken, "best.safetensors")).load();
    },
  });
});
