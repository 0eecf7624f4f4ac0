// The types of the public surface, checked by the task `typecheck`.
import type { BaseModel, RowGradients, TensorData } from "@cllm4rec/backbone";
import {
  type BatchSource,
  type BestModel,
  defineTask,
  type Gradient,
  indexBatches,
  type ParameterOptions,
  Parameters,
  type Task,
  type TrainResult,
  train,
  type Values,
} from "@cllm4rec/training";
import {
  mapTask,
  parseSettings,
  runSettings,
  startingTables,
  type TokenTables,
  tableParameters,
} from "@cllm4rec/training/stage";
import { expectTypeOf, test } from "vitest";
import { z } from "zod";

test("parameters by name, with gradients of whole tensors or of rows", () => {
  const parameters = new Parameters({ w: { shape: [2, 3], initial: (data) => data.fill(1) } }, { seed: 1 });
  expectTypeOf(parameters.values).toEqualTypeOf<Readonly<Record<string, TensorData<Float32Array>>>>();
  expectTypeOf<Gradient>().toEqualTypeOf<Float32Array | RowGradients>();
  expectTypeOf(tableParameters).returns.toEqualTypeOf<Record<string, ParameterOptions>>();
  // @ts-expect-error a parameter has a shape
  new Parameters({ w: {} });
  // @ts-expect-error there is no such way to update
  new Parameters({ w: { shape: [1], update: "columns" } });
});

test("a task gets the documents of its batches", () => {
  const task = defineTask({
    batches: indexBatches(10, 2),
    learningRate: 1e-3,
    async compute(users, { update }) {
      expectTypeOf(users).toEqualTypeOf<readonly number[]>();
      expectTypeOf(update).toEqualTypeOf<number>();
      return { loss: 0, gradients: {} };
    },
  });
  expectTypeOf(task).toEqualTypeOf<Task>();
  const words = {} as BatchSource<string>;
  // @ts-expect-error a loss and gradients are needed
  defineTask({ batches: words, learningRate: 1, compute: async () => ({ loss: 0 }) });
  const model = {} as BaseModel;
  // @ts-expect-error documents of words are none of a language model
  mapTask({ model, loss: "next-word", batches: words, learningRate: 1 });
});

test("a run", () => {
  expectTypeOf(train).returns.resolves.toEqualTypeOf<TrainResult>();
  expectTypeOf<TrainResult["values"]>().toEqualTypeOf<Values>();
  expectTypeOf<TrainResult["best"]>().toEqualTypeOf<BestModel | undefined>();
  expectTypeOf(startingTables).returns.resolves.toEqualTypeOf<TokenTables>();
});

test("settings are what their schema says", () => {
  const settings = parseSettings(z.strictObject(runSettings), { seed: undefined });
  expectTypeOf(settings.seed).toEqualTypeOf<number>();
  expectTypeOf(settings.maxLength).toEqualTypeOf<number | undefined>();
});
