// Events on disk: whole JSON lines after any earlier end, and TensorBoard records byte for byte as TensorBoard's own
// writer makes them.
import fs from "node:fs";
import path from "node:path";
import { jsonLinesLog, type StepDone, type TrainingEvent, tensorBoardLog, toAll } from "@cllm4rec/training";
import { describe, expect, it } from "vitest";
import { crc32c, tensorBoardEvent, tensorBoardRecord } from "../src/events/tensorboard.js";
import { golden, temporaryFolder } from "./helpers.js";

const step: StepDone = {
  type: "step",
  stage: "finetune",
  phase: "recommendation",
  task: "rec-step",
  round: 0,
  step: 1,
  steps: 2,
  update: 7,
  objective: 3,
  languageModel: 2.5,
  mutual: 0.5,
  prior: 0,
  gradientNorm: 1.25,
  learningRate: 0.001,
  documents: 2,
  targets: 3,
  usefulTokens: 20,
  computedTokens: 24,
  milliseconds: 5,
};
const ended: TrainingEvent = { type: "run-ended", stage: "finetune", reason: "finished", update: 7 };

describe("jsonLinesLog", () => {
  it("appends one object a line, with the time", () => {
    const file = path.join(temporaryFolder(), "new", "events.jsonl");
    const log = jsonLinesLog(file, () => 0);
    toAll(log.write, () => undefined)(step);
    log.write(ended);
    log.close();
    const lines = fs.readFileSync(file, "utf8").trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual(
      [step, ended].map((event) => ({ time: "1970-01-01T00:00:00.000Z", ...event })),
    );
  });

  it.each([
    ["a finished line", '{"a":1}\n', '{"a":1}\n'],
    ["an unfinished line after a finished one", '{"a":1}\n{"b":', '{"a":1}\n'],
    ["nothing but an unfinished line", '{"b":', ""],
    ["a very long unfinished line", `{"a":1}\n${"x".repeat(200_000)}`, '{"a":1}\n'],
  ])("continues after %s", (_, before, kept) => {
    const file = path.join(temporaryFolder(), "events.jsonl");
    fs.writeFileSync(file, before);
    const log = jsonLinesLog(file, () => 0);
    log.write(ended);
    log.close();
    expect(fs.readFileSync(file, "utf8")).toBe(
      `${kept}${JSON.stringify({ time: "1970-01-01T00:00:00.000Z", ...ended })}\n`,
    );
  });

  it("names a file that cannot be written", () => {
    const folder = temporaryFolder();
    expect(() => jsonLinesLog(folder)).toThrow(new RegExp(`${folder}: cannot be written`));
  });
});

describe("tensorBoardLog", () => {
  it("computes CRC-32C (RFC 3720, B.4)", () => {
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.from("123456789"))).toBe(0xe3069283);
  });

  it("writes the bytes that TensorBoard's own RecordWriter writes", () => {
    const expected = golden<{ hex: string }>("tensorboard.json").hex;
    const events = [
      tensorBoardEvent(1234.5, { fileVersion: "brain.Event:2" }),
      tensorBoardEvent(1234.5, { step: 0, scalars: { "a/loss": 1.5 } }),
      tensorBoardEvent(1534.5, { step: 300, scalars: { "a/loss": -0.1, "b/recall@20": 1e-3 } }),
    ];
    expect(Buffer.concat(events.map(tensorBoardRecord)).toString("hex")).toBe(expected);
  });

  it("puts steps and validations into one file, and passes over the rest", () => {
    const folder = path.join(temporaryFolder(), "tensorboard");
    const log = tensorBoardLog(folder, () => 2000);
    log.write(step);
    log.write(ended);
    log.write({
      type: "validation",
      stage: "finetune",
      round: 0,
      update: 7,
      users: 2,
      metrics: { "recall@20": 0.25 },
      selection: 0.25,
      best: true,
      milliseconds: 1,
    });
    log.close();
    const [name] = fs.readdirSync(folder);
    expect(name).toMatch(/^events\.out\.tfevents\.2\./);
    const tag = (task: string) => `finetune/${task}`;
    const expected = [
      tensorBoardEvent(2, { fileVersion: "brain.Event:2" }),
      tensorBoardEvent(2, {
        step: 7,
        scalars: {
          [tag("rec-step/objective")]: 3,
          [tag("rec-step/language-model")]: 2.5,
          [tag("rec-step/mutual")]: 0.5,
          [tag("rec-step/gradient-norm")]: 1.25,
          [tag("rec-step/learning-rate")]: 0.001,
        },
      }),
      tensorBoardEvent(2, { step: 7, scalars: { [tag("validation/recall@20")]: 0.25 } }),
    ];
    expect(fs.readFileSync(path.join(folder, name!)).equals(Buffer.concat(expected.map(tensorBoardRecord)))).toBe(true);
  });
});
