// States of full training that the version with a loop of its own wrote: they resume, and a run has the bits that it
// had.
import fs from "node:fs";
import path from "node:path";
import { BaseModel } from "@cllm4rec/backbone";
import { expectTensorsOf, writtenOnThisMachine } from "@cllm4rec/testing";
import { type AdamOptions, checkpointFile, Parameters, type TrainingEvent, weightParameters } from "@cllm4rec/training";
import { initialLanguageModel, tokenWindows, trainWeights } from "@cllm4rec/training/language-model";
import { initialTables, tableParameters } from "@cllm4rec/training/stage";
import { describe, expect, it } from "vitest";
import { fixtures, temporaryFolder } from "./helpers.js";

const folder = path.join(fixtures, "version-0");
const exact = writtenOnThisMachine(folder);
const LLAMA = {
  model_type: "llama",
  vocab_size: 13,
  hidden_size: 8,
  intermediate_size: 16,
  num_hidden_layers: 2,
  num_attention_heads: 2,
  max_position_embeddings: 24,
  tie_word_embeddings: true,
};

function stream(length: number): Int32Array {
  const all = new Int32Array(length);
  for (let t = 1; t < length; t++) all[t] = (5 * all[t - 1]! + (t % 7 === 0 ? 4 : 1)) % 13;
  return all;
}

async function run(
  kind: "language" | "tables",
  file: string,
  { adam, beta2 = 0.95 }: { adam?: AdamOptions; beta2?: number } = {},
) {
  const sizes = kind === "language" ? { users: 0, items: 0 } : { users: 3, items: 6 };
  const backbone = initialLanguageModel(LLAMA, { seed: 1 });
  const model = new BaseModel(backbone, sizes);
  const tables = kind === "tables" ? initialTables({ ...sizes, width: 8, seed: 1, priorDeviation: 0.3 }) : undefined;
  const prompts = [0, 1, 2].map((u) => ({ ids: [13 + u, 2, 16 + u, 17 + u], heldOut: [(u + 3) % 6] }));
  const events: TrainingEvent[] = [];
  try {
    await trainWeights({
      model,
      task:
        kind === "language"
          ? { loss: "next-word", batches: tokenWindows({ tokens: stream(700), length: 16, batch: 4 }) }
          : {
              loss: "held-out",
              batches: {
                identity: "prompts",
                steps: () => 1,
                batch: ({ seed, epoch }) => ({ documents: prompts, next: { seed, epoch: epoch + 1, step: 0 } }),
              },
            },
      parameters: new Parameters({
        ...weightParameters(backbone.weights, { weightDecay: 0.1, beta2 }),
        ...(tables && tableParameters(tables, 8, { adam, learningRate: 0.02, prefix: "tables." })),
      }),
      tables: tables && { tables, side: "collaborative" },
      updates: 12,
      learningRate: { peak: 0.03, warmup: 4, decay: { shape: "cosine", total: 24, floor: 0.001 } },
      dropout: { softTokens: 0, backbone: true },
      store: checkpointFile(file),
      onEvent: (event) => events.push(event),
    });
  } finally {
    await model.dispose();
    await backbone.dispose();
  }
  const saved = await checkpointFile(file).load();
  return { tensors: saved!.tensors, events };
}

describe.each(["language", "tables"] as const)("%s", (kind) => {
  const finished = () => checkpointFile(path.join(folder, `${kind}-finished.safetensors`)).load();

  it("has the bits that it had", async () => {
    const { tensors } = await run(kind, path.join(temporaryFolder(), "state.safetensors"));
    expectTensorsOf(tensors, (await finished())!.tensors, { exact });
  });

  it("resumes from the earlier version's state", async () => {
    const file = path.join(temporaryFolder(), "state.safetensors");
    fs.copyFileSync(path.join(folder, `${kind}-stopped.safetensors`), file);
    const { tensors, events } = await run(kind, file);
    expect(events[0]).toMatchObject({ type: "run-started", update: 5, resumedFrom: file });
    expectTensorsOf(tensors, (await finished())!.tensors, { exact });
  });

  it("refuses other rates of its optimisers than the run was begun with", async () => {
    const file = path.join(temporaryFolder(), "state.safetensors");
    fs.copyFileSync(path.join(folder, `${kind}-stopped.safetensors`), file);
    await expect(run(kind, file, { beta2: 0.9 })).rejects.toThrow(/the run was begun with optimiser .*"beta2":0.95/);
    if (kind === "tables") {
      const other = run(kind, file, { adam: { beta1: 0.8 } });
      await expect(other).rejects.toThrow(/the run was begun with tables .*"adam":{}.*, now it is .*"beta1":0.8/);
    }
  });
});
