// Full training: AdamW against PyTorch, learning, resuming to the same bits, tables trained beside the weights, and
// what is refused.
import fs from "node:fs";
import path from "node:path";
import { Backbone, BaseModel, TrainableBackbone } from "@cllm4rec/backbone";
import { expectClose } from "@cllm4rec/testing";
import {
  type BatchSource,
  checkpointFile,
  type LearningRate,
  Parameters,
  type TrainingEvent,
  weightParameters,
} from "@cllm4rec/training";
import {
  initialLanguageModel,
  textLoss,
  tokenWindows,
  trainWeights,
  type WeightTrainingOptions,
} from "@cllm4rec/training/language-model";
import { initialTables, tableParameters } from "@cllm4rec/training/stage";
import { afterAll, describe, expect, it } from "vitest";
import { golden, temporaryFolder, tinyGpt2 } from "./helpers.js";

interface Golden {
  readonly learningRate: LearningRate;
  readonly weightDecay: number;
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  readonly clipNorm: number;
  readonly batches: readonly (readonly (readonly [number[], number[]])[])[];
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  readonly weights: Readonly<Record<string, Readonly<Record<string, number[]>>>>;
}

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
const GPT2 = { model_type: "gpt2", vocab_size: 13, n_embd: 8, n_layer: 2, n_head: 2, n_positions: 24 };

const opened: (Backbone | TrainableBackbone | BaseModel<TrainableBackbone>)[] = [];
afterAll(async () => {
  for (const each of opened.reverse()) await each.dispose();
});
const keep = <T extends (typeof opened)[number]>(each: T): T => {
  opened.push(each);
  return each;
};
const over = (backbone: TrainableBackbone, sizes = { users: 0, items: 0 }) =>
  keep(new BaseModel(keep(backbone), sizes));

/** A stream with something to learn: each token follows from the one before it, all but every seventh. */
function stream(length: number): Int32Array {
  const all = new Int32Array(length);
  for (let t = 1; t < length; t++) all[t] = (5 * all[t - 1]! + (t % 7 === 0 ? 4 : 1)) % 13;
  return all;
}

/** A run over the stream by a model with random weights; the same for the same seed. */
function languageRun(changes: Partial<WeightTrainingOptions> = {}, seed = 1) {
  const model = over(initialLanguageModel(LLAMA, { seed }));
  const optimiser = new Parameters(weightParameters(model.backbone.weights, { weightDecay: 0.1, beta2: 0.95 }));
  const events: TrainingEvent[] = [];
  const options: WeightTrainingOptions = {
    model,
    task: { loss: "next-word", batches: tokenWindows({ tokens: stream(700), length: 16, batch: 4 }) },
    parameters: optimiser,
    updates: 24,
    learningRate: { peak: 0.03, warmup: 4, decay: { shape: "cosine", total: 24, floor: 0.001 } },
    now: () => 0,
    ...changes,
    onEvent: (event) => {
      events.push(event);
      changes.onEvent?.(event);
    },
  };
  return { model, optimiser, events, run: () => trainWeights(options) };
}

const bytes = (optimiser: Parameters) =>
  Buffer.concat(Object.values(optimiser.tensors()).map(({ data }) => new Uint8Array(data.buffer)));

describe("AdamW", () => {
  it("takes PyTorch's steps over all weights, elementwise, with clipping, decay and a schedule", async () => {
    const { learningRate, weightDecay, betas, epsilon, clipNorm, batches, losses, norms, weights } =
      golden<Golden>("weights.json");
    const model = over(await TrainableBackbone.open(tinyGpt2));
    const documents = batches.map((batch) => batch.map(([ids, targets]) => ({ ids, targets })));
    const source: BatchSource<(typeof documents)[number][number]> = {
      identity: "golden",
      steps: () => documents.length,
      batch: ({ seed, epoch, step }) => ({ documents: documents[step]!, next: { seed, epoch, step: step + 1 } }),
    };
    const steps: TrainingEvent[] = [];
    const seen: Record<string, Readonly<Record<string, readonly number[]>>> = {};
    await trainWeights({
      model,
      task: { loss: "next-word", batches: source },
      parameters: new Parameters(
        weightParameters(model.backbone.weights, { weightDecay, beta1: betas[0], beta2: betas[1], epsilon }),
      ),
      updates: documents.length,
      learningRate,
      clipNorm,
      onEvent(event) {
        if (event.type !== "step") return;
        steps.push(event);
        const now = [...model.backbone.weights].map(([name, { data }]) => [name, [...data]] as const);
        seen[String(event.update - 1)] = Object.fromEntries(now);
      },
    });
    expectClose(
      steps.map((step) => (step.type === "step" ? step.languageModel : Number.NaN)),
      losses,
      { rtol: 2e-5 },
    );
    expectClose(
      steps.map((step) => (step.type === "step" ? step.gradientNorm : Number.NaN)),
      norms,
      { rtol: 2e-4 },
    );
    expect(norms.some((norm) => norm > clipNorm)).toBe(true);
    for (const [step, state] of Object.entries(weights)) {
      expect(Object.keys(seen[step]!).sort()).toEqual(Object.keys(state).sort());
      for (const [name, expected] of Object.entries(state)) {
        const label = `${name} after update ${step}`;
        expectClose(seen[step]![name]!, expected, { rtol: 1e-4, atol: 2e-6, label });
      }
    }
  });
});

describe("a language model from nothing", () => {
  it.each([GPT2, LLAMA])(
    "begins as its authors draw it, with the same bits for the same seed: $model_type",
    (config) => {
      const [one, same, other] = [1, 1, 2].map((seed) => keep(initialLanguageModel(config, { seed })));
      const deviation = (data: Float32Array) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0) / data.length);
      for (const [name, { shape, data }] of one!.weights) {
        expect(same!.weights.get(name)!.data).toEqual(data);
        if (shape.length > 1) {
          expect(other!.weights.get(name)!.data).not.toEqual(data);
          const expected = name.endsWith("c_proj.weight") ? 0.02 / 2 : 0.02; // √(2 · 2 layers)
          expect(deviation(data) / expected).toBeCloseTo(1, 0);
        } else expect(new Set(data)).toEqual(new Set([name.endsWith("bias") ? 0 : 1]));
      }
      expect(() => initialLanguageModel({ ...config, initializer_range: 0 }, { seed: 1 })).toThrow(
        /initializer_range: found 0, expected a finite number above 0/,
      );
    },
  );

  it.each([GPT2, LLAMA])(
    "learns a text, and is then a directory that a frozen backbone opens: $model_type",
    async (config) => {
      const model = over(initialLanguageModel(config, { seed: 5 }));
      const [train, heldOut] = [stream(900), stream(1300).subarray(1000)];
      const before = await textLoss(model, heldOut, { length: 16 });
      expect(before.targets).toBe(299);
      expect(before.loss).toBeCloseTo(Math.log(13), 1);
      const { reason, updates } = await trainWeights({
        model,
        task: { loss: "next-word", batches: tokenWindows({ tokens: train, length: 16, batch: 8 }) },
        parameters: new Parameters(weightParameters(model.backbone.weights)),
        updates: 150,
        learningRate: 0.02,
      });
      expect({ reason, updates }).toEqual({ reason: "finished", updates: 150 });
      const after = await textLoss(model, heldOut, { length: 16 });
      expect(after.loss).toBeLessThan(0.5 * before.loss);

      const folder = temporaryFolder();
      await model.backbone.save(folder);
      const frozen = keep(await Backbone.open(folder));
      const again = await textLoss(new BaseModel(frozen, { users: 0, items: 0 }), heldOut, { length: 16, batch: 3 });
      expect(again.loss).toBeCloseTo(after.loss, 5);
      expect(again.targets).toBe(after.targets);
    },
  );
});

describe("a run", () => {
  it("resumes from its checkpoint to the bits of a run that was never stopped, at every update", async () => {
    const whole = languageRun({ dropout: { softTokens: 0, backbone: true } });
    expect(await whole.run()).toEqual({ reason: "finished", updates: 24 });
    const file = path.join(temporaryFolder(), "state.safetensors");
    for (const stopAfter of [1, 2, 9, 10, 11, 23]) {
      const stopper = new AbortController();
      const part = languageRun({
        dropout: { softTokens: 0, backbone: true },
        store: checkpointFile(file),
        stop: stopper.signal,
        onEvent: (event) => event.type === "step" && event.update === stopAfter && stopper.abort(),
      });
      expect(await part.run()).toEqual({ reason: "stopped", updates: stopAfter });
    }
    const last = languageRun({ dropout: { softTokens: 0, backbone: true }, store: checkpointFile(file) });
    expect(await last.run()).toEqual({ reason: "finished", updates: 24 });
    expect(last.events[0]).toMatchObject({ type: "run-started", update: 23, resumedFrom: file });
    expect(bytes(last.optimiser).equals(bytes(whole.optimiser))).toBe(true);
    // With more updates than before it would be another schedule; with the same there is nothing left to do.
    expect(
      await languageRun({ dropout: { softTokens: 0, backbone: true }, store: checkpointFile(file) }).run(),
    ).toEqual({
      reason: "finished",
      updates: 24,
    });
  });

  it("refuses the checkpoint of a run with other settings, naming them", async () => {
    const store = checkpointFile(path.join(temporaryFolder(), "state.safetensors"));
    await languageRun({ store, updates: 2 }).run();
    await expect(languageRun({ store, clipNorm: 0.5 }).run()).rejects.toThrow(
      /state\.safetensors: the run was begun with clipNorm 1, now it is 0\.5;/,
    );
    const other = tokenWindows({ tokens: stream(800), length: 16, batch: 4 });
    await expect(languageRun({ store, task: { loss: "next-word", batches: other } }).run()).rejects.toThrow(
      /begun with batches "windows of 16 tokens, 4 in a batch, of 700 /,
    );
  });

  it("tells what it does: steps, checkpoints, and a best validation", async () => {
    const store = checkpointFile(path.join(temporaryFolder(), "state.safetensors"));
    const losses = [3, 2, 2.5, 1];
    const { events, run } = languageRun({
      store,
      updates: 7,
      validate: { every: 2, measure: async () => ({ loss: losses.shift()! }) },
    });
    await run();
    const types = events.map(({ type }) => type);
    expect(types.filter((type) => type === "step")).toHaveLength(7);
    expect([types[0], types.at(-2), types.at(-1)]).toEqual(["run-started", "checkpoint", "run-ended"]);
    const validations = events.flatMap((event) => (event.type === "validation" ? [[event.update, event.best]] : []));
    expect(validations).toEqual([
      [2, true],
      [4, true],
      [6, false],
      [7, true],
    ]);
  });

  it("ends with an error, and nothing saved, where the loss is no number", async () => {
    const file = path.join(temporaryFolder(), "state.safetensors");
    const { model, run } = languageRun({ store: checkpointFile(file) });
    model.backbone.weights.get("model.norm.weight")!.data[0] = Number.NaN;
    await expect(run()).rejects.toThrow(/^update 0: found a loss of NaN with a gradient norm of NaN, expected finite/);
    expect(fs.existsSync(file)).toBe(false);
  });

  it("trains tables and weights together on the recommendation loss, and resumes both (LLM-FtAll)", async () => {
    const sizes = { users: 3, items: 6 };
    const item = (j: number) => 13 + sizes.users + j;
    const prompts = [0, 1, 2].map((u) => ({ ids: [13 + u, 2, item(u), item(u + 1)], heldOut: [(u + 3) % 6] }));
    const batches: BatchSource<(typeof prompts)[number]> = {
      identity: "prompts",
      steps: () => 1,
      batch: ({ seed, epoch }) => ({ documents: prompts, next: { seed, epoch: epoch + 1, step: 0 } }),
    };
    const start = async (changes: Partial<WeightTrainingOptions>) => {
      const model = over(await TrainableBackbone.open(tinyGpt2), sizes);
      const tables = initialTables({ ...sizes, width: 8, seed: 1, priorDeviation: 0.3 });
      const parameters = new Parameters({
        ...weightParameters(model.backbone.weights),
        ...tableParameters(tables, 8, { learningRate: 0.02, prefix: "tables." }),
      });
      const losses: number[] = [];
      await trainWeights({
        model,
        task: { loss: "held-out", batches },
        parameters,
        tables: { tables, side: "collaborative" },
        updates: 12,
        learningRate: 0.002,
        onEvent: (event) => event.type === "step" && losses.push(event.languageModel),
        ...changes,
      });
      return { losses, all: bytes(parameters), model };
    };
    const whole = await start({});
    expect(whole.losses[11]!).toBeLessThan(0.6 * whole.losses[0]!);
    const original = await TrainableBackbone.open(tinyGpt2);
    opened.push(original);
    // Everything that the loss depends on has moved, a part of the vocabulary included.
    for (const [name, { data }] of whole.model.backbone.weights)
      expect(data, name).not.toEqual(original.weights.get(name)!.data);

    const store = checkpointFile(path.join(temporaryFolder(), "state.safetensors"));
    const stopper = new AbortController();
    await start({
      store,
      stop: stopper.signal,
      onEvent: (event) => event.type === "step" && event.update === 5 && stopper.abort(),
    });
    const resumed = await start({ store });
    expect(resumed.losses).toHaveLength(7);
    expect(resumed.all.equals(whole.all)).toBe(true);
  });
});

describe("windows of tokens", () => {
  const options = { tokens: Int32Array.from({ length: 103 }, (_, t) => t), length: 10, batch: 3 };
  it("cover each epoch once, in another order and cut elsewhere, with successors as targets", () => {
    const source = tokenWindows(options);
    const epochs = [0, 1].map((epoch) => {
      const steps = source.steps({ seed: 4, epoch });
      expect(steps).toBe(3);
      return Array.from({ length: steps }, (_, step) => source.batch({ seed: 4, epoch, step })).flatMap(
        ({ documents }) => documents,
      );
    });
    for (const documents of epochs) {
      const firsts = documents.map(({ ids }) => ids[0]!);
      expect(new Set(firsts).size).toBe(9);
      expect(new Set(firsts.map((first) => first % 10)).size).toBe(1);
      for (const { ids, targets } of documents) {
        expect(Array.from(ids)).toEqual(Array.from({ length: 10 }, (_, t) => ids[0]! + t));
        expect(Array.from(targets)).toEqual(Array.from(ids, (id) => id + 1));
      }
    }
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(source.batch({ seed: 4, epoch: 0, step: 2 }).next).toEqual({ seed: 4, epoch: 1, step: 0 });
    expect(source.batch({ seed: 4, epoch: 1, step: 1 })).toEqual(
      tokenWindows(options).batch({ seed: 4, epoch: 1, step: 1 }),
    );
    expect(source.batch({ seed: 5, epoch: 0, step: 0 })).not.toEqual(source.batch({ seed: 4, epoch: 0, step: 0 }));
  });

  it("are refused where they do not fill a batch", () => {
    expect(() => tokenWindows({ ...options, batch: 10 })).toThrow(
      "tokens: found 103, expected at least 110 for a batch of 10 windows of 10; take smaller ones",
    );
    expect(() => tokenWindows({ ...options, length: 0 })).toThrow("length: found 0, expected a positive integer");
  });
});

describe("the optimiser", () => {
  const weights = () =>
    new Map([
      ["matrix", { shape: [2, 2], data: Float32Array.of(1, -2, 3, 4) }],
      ["bias", { shape: [2], data: Float32Array.of(1, -1) }],
    ]);

  it("lets matrices decay and biases not, and leaves alone what has no gradient", () => {
    const own = weights();
    const optimiser = new Parameters(weightParameters(own, { weightDecay: 0.5 }));
    optimiser.update({ matrix: new Float32Array(4) }, 0.1);
    expectClose(own.get("matrix")!.data, [0.95, -1.9, 2.85, 3.8]);
    optimiser.update({ bias: new Float32Array(2) }, 0.1);
    expect([...own.get("bias")!.data]).toEqual([1, -1]);
    expectClose(own.get("matrix")!.data, [0.95, -1.9, 2.85, 3.8]);
  });

  it("refuses gradients of other weights or sizes, and negative decay, before anything is changed", () => {
    const own = weights();
    const optimiser = new Parameters(weightParameters(own));
    for (const [gradients, message] of [
      [{ bias: Float32Array.of(1, 1), matrix: new Float32Array(3) }, "gradient of matrix: found 3 numbers, expected 4"],
      [
        { bias: Float32Array.of(1, 1), other: new Float32Array(3) },
        "gradient of other: found 3 numbers, expected a weight of this model",
      ],
    ] as const)
      expect(() => optimiser.update(gradients, 0.1)).toThrow(message);
    expect(own).toEqual(weights());
    expect(() => weightParameters(own, { weightDecay: -1 })).toThrow("weightDecay: found -1, expected a finite number");
  });
});
