// The trainer over a tiny GPT-2: what is trained and what is held fixed, order of tasks, stopping after any update,
// refusals.
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import {
  type Checkpoint,
  type CheckpointStore,
  Parameters,
  type StepDone,
  schedule,
  type TrainingEvent,
  type TrainOptions,
  train,
} from "@cllm4rec/training";
import {
  copyTables,
  initialTables,
  type LossBatches,
  type MapTaskOptions,
  mapTask,
  type TokenTables,
  tableParameters,
  tablesOf,
} from "@cllm4rec/training/stage";
import { afterAll, beforeAll, expect, it } from "vitest";
import { fixedBatches, tinyGpt2 } from "./helpers.js";

const sizes = { users: 4, items: 6 };
const [words, width] = [13, 8];
const [user, item] = [(u: number) => words + u, (j: number) => words + sizes.users + j];
const itemBatches = fixedBatches(
  [0, 1, 2].map((d) => ({ ids: [user(d), 3, item(d)], targets: [-1, item(d), item(d + 3)] })),
  1,
);
const wordBatches = fixedBatches(
  [0, 1].map((d) => ({ ids: [user(d), 4, item(d), 1], targets: [-1, -1, 1, 9 - d] })),
  1,
);
const common = { lambdaC: 0.5, lambdaL: 0.01, scaling: "paper", learningRate: schedule(0.01) } as const;
type TaskSpec = Omit<MapTaskOptions, "model" | "tables"> & LossBatches;
const tasks: Record<string, TaskSpec> = {
  "l-step": { ...common, side: "collaborative", loss: "next-item", batches: itemBatches },
  "c-step": { ...common, side: "content", loss: "next-word", batches: wordBatches },
};
const initial = initialTables({ ...sizes, width, seed: 1, priorDeviation: 0.5, contentDeviation: 0.2 });

let backbone: Backbone;
let model: BaseModel;
beforeAll(async () => {
  backbone = await Backbone.open(tinyGpt2);
  model = new BaseModel(backbone, sizes);
});
afterAll(async () => {
  await model.dispose();
  await backbone.dispose();
});

/** A checkpoint store in memory that copies what it is given, as a file does. */
function memoryStore(): CheckpointStore {
  let saved: Checkpoint | undefined;
  return {
    name: "memory",
    save: async ({ state, tensors }) => {
      saved = { state: JSON.parse(JSON.stringify(state)), tensors: structuredClone(tensors) };
    },
    load: async () => structuredClone(saved),
  };
}

interface Run {
  events: TrainingEvent[];
  optimiser: Parameters & { tables: TokenTables };
  end: Pick<Awaited<ReturnType<typeof train>>, "reason" | "updates">;
}

type Changes = Partial<Omit<TrainOptions, "tasks">> & { tasks?: Record<string, TaskSpec>; tables?: TokenTables };

async function run({ tasks: specs = tasks, tables = copyTables(initial), ...changes }: Changes = {}): Promise<Run> {
  const events: TrainingEvent[] = [];
  const parameters = new Parameters(tableParameters(tables, width));
  const { reason, updates } = await train({
    stage: "test",
    parameters,
    tasks: Object.fromEntries(Object.entries(specs).map(([name, spec]) => [name, mapTask({ ...spec, model, tables })])),
    rounds: (round) =>
      round < 3 ? { phase: "p", segments: [{ task: "l-step" }, { task: "c-step", steps: 1 }] } : undefined,
    seed: 1,
    settings: { rate: 0.01 },
    now: () => 0,
    ...changes,
    onEvent: (event) => {
      events.push(event);
      changes.onEvent?.(event);
    },
  });
  const optimiser = Object.assign(parameters, { tables: tablesOf(parameters.values) });
  return { events, optimiser, end: { reason, updates } };
}

const steps = ({ events }: Run) => events.filter((event): event is StepDone => event.type === "step");

it("does epochs and counted steps in turn, each task from its next batch, and reports it", async () => {
  const result = await run();
  const round = ["l-step 1/3", "l-step 2/3", "l-step 3/3", "c-step 1/1"];
  expect(steps(result).map(({ task, step, steps: of }) => `${task} ${step}/${of}`)).toEqual([
    ...round,
    ...round,
    ...round,
  ]);
  expect(steps(result).map(({ update }) => update)).toEqual(Array.from({ length: 12 }, (_, i) => i + 1));
  expect(result.end).toEqual({ reason: "finished", updates: 12 });
  expect(result.events.map(({ type }) => type).filter((type) => type !== "step")).toEqual([
    "run-started",
    "round",
    "round",
    "round",
    "run-ended",
  ]);
  for (const event of steps(result)) expect(event.objective).toBe(event.languageModel + event.mutual + event.prior);
});

it("moves the rows of the batch on the trained side, and nothing else", async () => {
  const { optimiser } = await run({
    rounds: (round) => (round < 1 ? { phase: "p", segments: [{ task: "c-step", steps: 1 }] } : undefined),
  });
  expect(optimiser.tables.collaborative).toEqual(initial.collaborative);
  const moved = (kind: "users" | "items") =>
    Array.from({ length: sizes[kind] }, (_, row) =>
      optimiser.tables
        .content![kind].data.slice(row * width, (row + 1) * width)
        .some((x, k) => x !== initial.content![kind].data[row * width + k]),
    );
  expect(moved("users")).toEqual([true, false, false, false]);
  expect(moved("items")).toEqual([true, false, false, false, false, false]);
});

it("lowers the objective", async () => {
  const result = await run({
    rounds: (round) => (round < 40 ? { phase: "p", segments: [{ task: "l-step" }] } : undefined),
  });
  const objectives = steps(result).map(({ objective }) => objective);
  const mean = (part: number[]) => part.reduce((a, b) => a + b) / part.length;
  expect(mean(objectives.slice(-3))).toBeLessThan(0.7 * mean(objectives.slice(0, 3)));
});

it("leaves the backbone's files as they are", async () => {
  const before = await backbone.fileHashes();
  await run();
  expect(await backbone.fileHashes()).toEqual(before);
});

it("ends with the same bits when it is stopped after any update and resumed", async () => {
  const afterRound: TrainOptions["afterRound"] = async ({ round, memory, save }) => {
    memory.seen = `${memory.seen ?? ""}${round}`;
    if (round === 1) await save();
    return "continue";
  };
  const whole = memoryStore();
  const wholeRun = await run({ store: whole, afterRound });
  const expected = await whole.load();
  for (let stopAfter = 1; stopAfter < 12; stopAfter++) {
    const store = memoryStore();
    const stop = new AbortController();
    const onEvent = (event: TrainingEvent) => {
      if (event.type === "step" && event.update === stopAfter) stop.abort();
    };
    const first = await run({ store, afterRound, stop: stop.signal, onEvent });
    expect(first.end).toEqual({ reason: "stopped", updates: stopAfter });
    const second = await run({ store, afterRound });
    expect(second.events[0]).toMatchObject({ type: "run-started", update: stopAfter, resumedFrom: "memory" });
    expect([...steps(first), ...steps(second)]).toEqual(steps(wholeRun));
    expect(await store.load()).toEqual(expected);
    expect(second.optimiser.tensors()).toEqual(wholeRun.optimiser.tensors());
  }
  // A finished run that is run again does nothing.
  const again = await run({ store: whole, afterRound });
  expect(steps(again)).toEqual([]);
  expect(again.end).toEqual({ reason: "finished", updates: 12 });
});

it("stays ended when the trainer ended it early", async () => {
  const store = memoryStore();
  const afterRound: TrainOptions["afterRound"] = async ({ round }) => (round === 1 ? "stop" : "continue");
  expect((await run({ store, afterRound })).end).toEqual({ reason: "early", updates: 8 });
  const again = await run({ store, afterRound });
  expect(again.end).toEqual({ reason: "early", updates: 8 });
  expect(steps(again)).toEqual([]);
});

it("refuses to resume with other settings, naming the first that differs", async () => {
  const store = memoryStore();
  await run({ store });
  await expect(run({ store, settings: { rate: 0.02 } })).rejects.toThrow(/begun with rate 0.01, now it is 0.02/);
  await expect(run({ store, settings: { rate: 0.01, extra: true } })).rejects.toThrow(
    /begun with extra \(none\), now it is true/,
  );
  const { "l-step": lStep } = tasks;
  await expect(run({ store, tasks: { "l-step": lStep! } })).rejects.toThrow(
    /found the tasks c-step,l-step, expected l-step/,
  );
});

it("ends with an error, and without saving, when the objective is no longer finite", async () => {
  const store = memoryStore();
  const saves: number[] = [];
  const onEvent = (event: TrainingEvent) => {
    if (event.type === "checkpoint") saves.push(event.update);
  };
  const wild = { ...tasks["l-step"]!, learningRate: schedule(1e39) };
  const attempt = run({ store, tasks: { ...tasks, "l-step": wild }, onEvent, saveEverySeconds: 0 });
  await expect(attempt).rejects.toThrow(/l-step, update 1: found an objective of .*lower the learning rate.*memory/);
  expect(saves).toEqual([0, 1]);
});

it("saves at the interval of the clock that it is given", async () => {
  let time = 0;
  const result = await run({ store: memoryStore(), saveEverySeconds: 10, now: () => (time += 1500) });
  const saves = result.events.filter(({ type }) => type === "checkpoint").length;
  expect(saves).toBeGreaterThan(2);
  expect(saves).toBeLessThan(12);
});

it("clips gradients and hands options to the base model by the task's own count", async () => {
  const asked: number[] = [];
  const lossOptions = (update: number) => {
    asked.push(update);
    return {};
  };
  const clipped: TaskSpec = { ...tasks["l-step"]!, clipNorm: 1e-3, lossOptions };
  const result = await run({ tasks: { ...tasks, "l-step": clipped } });
  expect(asked).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(steps(result)[0]!.gradientNorm).toBeGreaterThan(1e-2);
});

it("refuses tasks and rounds that cannot be", async () => {
  const once =
    (segment: { task: string; steps?: number }): TrainOptions["rounds"] =>
    (round) =>
      round < 1 ? { phase: "p", segments: [segment] } : undefined;
  await expect(run({ rounds: once({ task: "m-step" }) })).rejects.toThrow(
    /names the task m-step, expected one of l-step, c-step/,
  );
  await expect(run({ rounds: once({ task: "l-step", steps: 0 }) })).rejects.toThrow(/found 0 steps of l-step/);
  const tables = { collaborative: initial.collaborative };
  await expect(run({ tables, rounds: once({ task: "c-step" }) })).rejects.toThrow(/trains the content tables/);
});

it("names the table and row of a number that is not finite", async () => {
  const tables = copyTables(initial);
  tables.collaborative.items.data[2 * width + 1] = Number.NaN;
  await expect(run({ tables })).rejects.toThrow(
    /l-step, update \d: found an objective of NaN .*expected finite numbers; collaborative\.items, row 2, holds NaN/,
  );
});

it("lets a run without an update be begun with other settings", async () => {
  const store = memoryStore();
  await store.save({
    state: {
      settings: { rate: 1 },
      loop: { round: 0, segment: 0, step: 0, ended: false, cursors: {}, updates: { "l-step": 0 }, losses: {} },
      memory: {},
    },
    tensors: {},
  });
  expect((await run({ store })).end).toEqual({ reason: "finished", updates: 12 });
});

it("refuses numbers of its own that make no sense before its first update", async () => {
  await expect(run({ saveEverySeconds: -1 })).rejects.toThrow(
    "saveEverySeconds: found -1, expected a number of at least 0",
  );
  const clipped = { ...tasks, "l-step": { ...tasks["l-step"]!, clipNorm: 0 } };
  await expect(run({ tasks: clipped })).rejects.toThrow("clipNorm of l-step: found 0, expected a number above 0");
});
