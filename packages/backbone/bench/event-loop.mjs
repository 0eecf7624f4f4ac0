// How long the first steps of each head block the event loop: node bench/event-loop.mjs [model directory or hub id]
import fs from "node:fs";
import { availableParallelism } from "node:os";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { onnxRuntime } from "@cllm4rec/onnx-grad";

const [model = "HuggingFaceTB/SmolLM2-135M-Instruct"] = process.argv.slice(2);
const USERS = 1_000;
const ITEMS = 5_000;

// One thread of the machine is left to the event loop: waiting for a core would count as blocked.
const engine = onnxRuntime({ threads: Math.max(1, availableParallelism() - 1) });
const backbone = await Backbone.open(model, { engine });
const baseModel = new BaseModel(backbone, { users: USERS, items: ITEMS });
const { words, width } = baseModel.vocabulary;
const rows = (count) => Float32Array.from({ length: count * width }, (_, i) => Math.sin(i) / 7);
const tables = { users: { rows: USERS, data: rows(USERS) }, items: { rows: ITEMS, data: rows(ITEMS) } };
const ids = Array.from({ length: 24 }, (_, t) => (t === 0 ? words + 3 : words + USERS + 7 * t));
const batch = Array.from({ length: 8 }, () => ({ ids, targets: [-1, ...ids.slice(2), ids[1]], heldOut: [1, 2] }));
const prompts = batch.map((document) => document.ids);
const text = [{ ids, targets: ids.map((_, t) => (t === 0 ? -1 : 40 + t)) }];

// What the machine alone does to the numbers: other processes, garbage.
const steps = {
  "nothing, for 2 s": () => sleep(2_000),
  "next-item loss": () => baseModel.nextItemLoss(batch, tables),
  "next-word loss": () => baseModel.nextWordLoss(text, tables),
  "held-out loss": () => baseModel.heldOutLoss(batch, tables),
  "item scores": () => baseModel.itemScores(prompts, tables),
  "hidden states": () => baseModel.hiddenStates(prompts, tables),
};
console.log(`${model}, ${backbone.engine.description}, Node ${process.version}`);
console.log(
  "milliseconds: longest block of the event loop (resolution 1); the most CPU time of this thread between two " +
    "turns of the loop, which other",
);
console.log("processes do not lengthen (Linux); time of the step");

/** CPU time of the calling thread so far, in milliseconds. */
function threadTime() {
  try {
    return Number(fs.readFileSync("/proc/thread-self/schedstat", "utf8").split(" ")[0]) / 1e6;
  } catch {
    return Number.NaN;
  }
}

/** Watches the loop until the returned function is called, which gives the most CPU time between two turns. */
function watchTurns() {
  let before = threadTime();
  let most = 0;
  const timer = setInterval(() => {
    const now = threadTime();
    most = Math.max(most, now - before);
    before = now;
  }, 1);
  return () => {
    clearInterval(timer);
    return most;
  };
}
for (const round of ["first", "second"]) {
  for (const [name, step] of Object.entries(steps)) {
    const delay = monitorEventLoopDelay({ resolution: 1 });
    delay.enable();
    await sleep(20);
    delay.reset();
    const mostTime = watchTurns();
    const start = performance.now();
    await step();
    const elapsed = performance.now() - start;
    await sleep(20);
    delay.disable();
    const columns = [delay.max / 1e6, mostTime(), elapsed].map((value) => value.toFixed(0).padStart(8));
    console.log(`${round} ${name.padEnd(18)}${columns.join("")}`);
  }
}
await baseModel.dispose();
await backbone.dispose();
await engine.dispose();
