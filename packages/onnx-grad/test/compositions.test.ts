// Small models as recommenders use them, loss and gradients against PyTorch.
import { type Engine, onnxRuntime } from "@cllm4rec/onnx-grad";
import { afterAll, beforeAll, expect, test } from "vitest";
import { builderNames, checkComposition, compositionNames } from "./support/compositions.js";

let engine: Engine;
beforeAll(() => {
  engine = onnxRuntime({ threads: 1 });
});
afterAll(() => engine.dispose());

test("every fixture has a builder", () => {
  expect([...compositionNames].sort()).toEqual([...builderNames].sort());
});

test.each(compositionNames)("%s", (name) => checkComposition(engine, name));
