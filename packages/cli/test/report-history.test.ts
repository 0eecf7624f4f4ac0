// The log of a run as the report reads it: resumed runs, other versions' events, damaged lines, and logs of long runs.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { lossCurves } from "../src/report/curves.js";
import { readHistory } from "../src/report/run-history.js";

let folder = "";
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-history-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const step = (update: number, languageModel: number, task = "rec-step") => ({
  ...{ type: "step", stage: "finetune", phase: "recommendation", task, round: Math.floor((update - 1) / 2), update },
  ...{ step: ((update - 1) % 2) + 1, steps: 2 },
  ...{ languageModel, mutual: 0.5, usefulTokens: 10, computedTokens: 12, milliseconds: 4 },
});
const validation = (update: number, value: number) => ({
  ...{ type: "validation", stage: "finetune", round: update / 2 - 1, update, users: 3, best: true, milliseconds: 1 },
  metrics: { "recall@20": value },
});
const started = (update: number) => ({ type: "run-started", stage: "finetune", update });

function log(name: string, lines: readonly (object | string)[]): string {
  const file = path.join(folder, name);
  const text = lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line)));
  fs.writeFileSync(file, `${text.join("\n")}\n`);
  return file;
}

test("of updates that a resumed run repeats, the later ones stand", async () => {
  const file = log("resumed.jsonl", [
    { time: "2026-01-01T00:00:00.000Z", ...started(0) },
    step(1, 9),
    step(2, 8),
    validation(2, 0.1),
    { type: "checkpoint", stage: "finetune", file: "x", update: 2, milliseconds: 7 },
    step(3, 7),
    step(4, 6),
    validation(4, 0.2),
    started(2),
    step(3, 7.5),
    step(4, 6.5),
    validation(4, 0.25),
    { time: "2026-01-02T00:00:00.000Z", type: "run-ended", stage: "finetune", reason: "finished", update: 4 },
  ]);
  const { stages, from, to, unreadable } = (await readHistory(file))!;
  expect({ from, to, unreadable }).toEqual({
    from: "2026-01-01T00:00:00.000Z",
    to: "2026-01-02T00:00:00.000Z",
    unreadable: 0,
  });
  expect(stages).toHaveLength(1);
  const [stage] = stages;
  expect(stage!.steps.map(({ update, languageModel }) => [update, languageModel])).toEqual([
    [1, 9],
    [2, 8],
    [3, 7.5],
    [4, 6.5],
  ]);
  expect(stage!.validations.map(({ metrics }) => metrics["recall@20"])).toEqual([0.1, 0.25]);
  expect(stage).toMatchObject({ sittings: 2, checkpoints: [7], ended: { reason: "finished" } });
});

test("a resumed run has not ended; events of later versions are passed over; damaged lines are counted", async () => {
  const file = log("odd.jsonl", [
    started(0),
    { ...step(1, 9), novelty: { of: "a later version" } },
    { type: "run-ended", stage: "finetune", reason: "stopped", update: 1 },
    { type: "weather", stage: "finetune", sky: "blue" },
    started(1),
    `{"type":"step","stage":"finetune"}`,
    `{"type":"step","stage":"fine`,
    "null",
    step(2, 8),
  ]);
  const { stages, unreadable } = (await readHistory(file))!;
  expect(unreadable).toBe(3);
  expect(stages[0]!.ended).toBeUndefined();
  expect(stages[0]!.steps.map(({ update }) => update)).toEqual([1, 2]);
  expect(await readHistory(path.join(folder, "none.jsonl"))).toBeUndefined();
});

test("of one epoch a curve has means of about equally many steps, each of them once, by task", async () => {
  const tasks = ["l-step", "c-step"];
  const steps = Array.from({ length: 1007 }, (_, i) => ({
    ...step(i + 1, i, tasks[i % 7 === 0 ? 1 : 0]),
    round: 0,
  }));
  const { stages } = (await readHistory(log("long.jsonl", [started(0), ...steps])))!;
  const curves = lossCurves(stages[0]!, 50);
  expect(curves.map(({ task }) => task)).toEqual(["c-step", "l-step"]);
  for (const { task, points } of curves) {
    const mine = steps.filter((one) => one.task === task);
    expect(points).toHaveLength(50);
    expect(points[49]!.update).toBe(mine[mine.length - 1]!.update);
    let from = 0;
    for (const point of points) {
      const to = mine.findIndex(({ update }) => update === point.update) + 1;
      const stretch = mine.slice(from, to);
      expect([Math.floor(mine.length / 50), Math.ceil(mine.length / 50)]).toContain(stretch.length);
      expect(point.languageModel).toBeCloseTo(
        stretch.reduce((sum, one) => sum + one.languageModel, 0) / stretch.length,
        9,
      );
      from = to;
    }
    expect(from).toBe(mine.length);
  }
});

test("of several epochs each point is the mean of one, or of equally many where there are more than the limit", () => {
  const steps = Array.from({ length: 30 }, (_, i) => ({
    ...step(i + 1, i, "rec-step"),
    ...{ phase: "recommendation", round: Math.floor(i / 5), usefulTokens: 1, computedTokens: 1 },
  }));
  const history = { stage: "finetune", steps, validations: [], checkpoints: [], sittings: 1 };
  const [curve] = lossCurves(history as unknown as Parameters<typeof lossCurves>[0]);
  expect(curve!.perEpoch).toBe(true);
  expect(curve!.points.map(({ update }) => update)).toEqual([5, 10, 15, 20, 25, 30]);
  const mean = (from: number, to: number) =>
    steps.slice(from, to).reduce((sum, one) => sum + one.languageModel, 0) / (to - from);
  expect(curve!.points[1]!.languageModel).toBeCloseTo(mean(5, 10), 12);
  const [three] = lossCurves(history as unknown as Parameters<typeof lossCurves>[0], 3);
  expect(three!.points[2]!.languageModel).toBeCloseTo(mean(20, 30), 12);
});
