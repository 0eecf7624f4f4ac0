// What a person at a terminal sees of a training run: a bar with the loss and the time left, and a line for each epoch.
import { Writable } from "node:stream";
import type { TrainingEvent } from "@cllm4rec/training";
import { expect, test } from "vitest";
import { StageDisplay } from "../src/progress.js";
import { duration, trainingDisplay } from "../src/training/display.js";

/** What is drawn for ten steps, one a second, of the twenty that there would be. */
function drawn(isTTY: boolean): string {
  let text = "";
  const stream = new Writable({
    write(chunk, _encoding, done) {
      text += chunk;
      done();
    },
  });
  let clock = 0;
  const listen = trainingDisplay(
    new StageDisplay(Object.assign(stream, { isTTY, columns: 200 })),
    () => 30,
    () => clock,
  );
  const common = { stage: "finetune", phase: "recommendation", round: 2 };
  listen({ type: "run-started", stage: "finetune", update: 20 });
  for (let step = 1; step <= 10; step++) {
    clock += 1000;
    const counts = { documents: 1, targets: 1, usefulTokens: 1, computedTokens: 1, milliseconds: 1000 };
    const losses = { objective: 5, languageModel: 4.5, mutual: 0.5, prior: 0, gradientNorm: 1, learningRate: 1 };
    const event: TrainingEvent = {
      ...common,
      ...counts,
      ...losses,
      type: "step",
      task: "rec-step",
      step,
      steps: 20,
      update: 20 + step,
    };
    listen(event);
  }
  listen({ ...common, type: "round", update: 30, languageModel: { "rec-step": 4.5 } });
  listen({
    type: "validation",
    stage: "finetune",
    round: 2,
    update: 30,
    users: 3,
    metrics: { "recall@20": 0.25 },
    selection: 0.25,
    best: true,
    milliseconds: 1,
  });
  listen({ type: "run-ended", stage: "finetune", reason: "finished", update: 30 });
  return text;
}

const LINES = [
  "finetune: resumes after update 20",
  "finetune: epoch 3/30, rec-step loss 4.5000, 10.0 s, validation recall@20 0.2500 (best)",
];

test("a log has a line an epoch and nothing that moves", () => {
  expect(drawn(false)).toBe(`${LINES.join("\n")}\n`);
});

test("a terminal has the bar as well, with loss, regulariser and time left", () => {
  const text = drawn(true);
  for (const line of LINES) expect(text).toContain(`${line}\n`);
  expect(text).toMatch(/finetune: epoch 3\/30, rec-step .*50%.*loss 4\.5000 {2}regulariser 0\.5000 {2}ETA 0:10/);
});

test("durations", () => {
  expect([0, 59.6, 75, 3600, 7265].map(duration)).toEqual(["0:00", "1:00", "1:15", "1:00:00", "2:01:05"]);
});
