// --engine and --threads: their names, what they mean in a configuration, and engines that start.
import os from "node:os";
import { Graph } from "@cllm4rec/onnx-grad";
import { describe, expect, it } from "vitest";
import { ENGINES, openEngine, parseEngine } from "../src/engine/engine.js";
import { readConfig } from "../src/settings/config.js";
import { runCli } from "./run-cli.js";

const needed = { data: "data", backbone: "backbone", out: "out" };

describe("names of engines", () => {
  it.each(ENGINES)("%s", (name) => {
    expect(parseEngine(name)).toBe(name);
    expect(readConfig(undefined, { ...needed, engine: name }).engine).toBe(name);
  });

  it("others are refused, with the nearest", () => {
    expect(() => parseEngine("webgp")).toThrow(/^found "webgp", expected one of cpu, .*; did you mean "webgpu"\?$/);
    expect(() => parseEngine("abacus-and-paper")).toThrow(/^found "abacus-and-paper", expected one of cpu, /);
    expect(() => readConfig(undefined, { ...needed, engine: "abacus" })).toThrow(/engine: found "abacus"/);
  });

  it("the CPU is the default, with as many threads as there are", () => {
    expect(readConfig(undefined, needed)).toMatchObject({ engine: "cpu" });
    expect(readConfig(undefined, needed).threads).toBeUndefined();
  });
});

it("a command line with an unknown engine is refused before anything is opened", async () => {
  const { code, stderr } = await runCli(os.tmpdir(), ["evaluate", "--model", "nowhere", "--engine", "wegbpu"]);
  expect(code).toBe(2);
  expect(stderr).toContain('did you mean "webgpu"?');
});

it("the engine that is opened has the threads asked for, and computes", async () => {
  const lines: string[] = [];
  const engine = await openEngine({ engine: "cpu", threads: 1 }, { say: (line) => lines.push(line) });
  expect(engine.description).toContain("(cpu, 1 thread)");
  const graph = new Graph();
  graph.output("y", graph.op.Neg(graph.input("x", "float32", [1])));
  const session = await engine.load(graph);
  const { y } = await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(2) } });
  expect(y!.data).toEqual(Float32Array.of(-2));
  expect(lines).toEqual([]);
  await engine.dispose();
});

it("TensorFlow.js says what it chose, and computes", async () => {
  const lines: string[] = [];
  const engine = await openEngine({ engine: "tfjs-wasm" }, { say: (line) => lines.push(line) });
  expect(engine.description).toMatch(/^TensorFlow\.js .* \(wasm\)$/);
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^engine: TensorFlow\.js .*, wasm .*: asked for by name; faster: npm install/);
  const graph = new Graph();
  graph.output("y", graph.op.Neg(graph.input("x", "float32", [1])));
  const session = await engine.load(graph);
  const { y } = await session.run({ x: { dtype: "float32", shape: [1], data: Float32Array.of(2) } });
  expect(y!.data).toEqual(Float32Array.of(-2));
  await engine.dispose();
});
