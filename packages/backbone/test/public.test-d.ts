// The types of the public surface, checked by the task `typecheck`.
import {
  Backbone,
  type BackboneCheckpoint,
  BaseModel,
  type EncoderDecoderInput,
  type HeldOutInput,
  type LanguageInput,
  type LossGradients,
  type LossResult,
  openBackboneEncoder,
  openCheckpoint,
  openSentenceEncoder,
  type Prompt,
  type RecommendationInput,
  type RowGradients,
  type SentenceEncoder,
  type SoftTables,
  type TensorData,
  type TextTokenizer,
  type TokenInput,
  type TrainableBackbone,
  writeSafetensors,
} from "@cllm4rec/backbone";
import { expectTypeOf, test } from "vitest";

test("a backbone is opened by hub id or directory", () => {
  expectTypeOf(Backbone.open).toBeCallableWith("gpt2", { layers: 2 });
  expectTypeOf(Backbone.open).returns.resolves.toEqualTypeOf<Backbone>();
  expectTypeOf(openCheckpoint).returns.resolves.toEqualTypeOf<BackboneCheckpoint>();
  // @ts-expect-error a model is named by a string
  void Backbone.open({ directory: "gpt2" });
});

test("both kinds of text encoders are used in the same way", () => {
  const tokenizer = {} as TextTokenizer;
  expectTypeOf(openSentenceEncoder("minilm", { tokenizer })).resolves.toEqualTypeOf<SentenceEncoder>();
  expectTypeOf(openBackboneEncoder("gpt2", { tokenizer, layer: 8 })).resolves.toEqualTypeOf<SentenceEncoder>();
  expectTypeOf<SentenceEncoder["encode"]>().returns.resolves.toExtend<Float32Array>();
  // @ts-expect-error the tokenizer is needed
  void openSentenceEncoder("minilm", {});
  // @ts-expect-error there is no such pooling
  void openSentenceEncoder("minilm", { tokenizer, pooling: "max" });
});

test("losses take documents and tables, and give gradients", () => {
  const tables = {} as SoftTables;
  const model = new BaseModel({} as Backbone, { users: 2, items: 3 });
  expectTypeOf(model).toEqualTypeOf<BaseModel<Backbone>>();
  expectTypeOf(new BaseModel({} as TrainableBackbone, { users: 2, items: 3 })).toEqualTypeOf<
    BaseModel<TrainableBackbone>
  >();
  const document = { ids: [1], targets: Int32Array.of(2) };
  expectTypeOf(model.nextItemLoss([document], tables)).resolves.toEqualTypeOf<LossResult>();
  expectTypeOf(model.nextWordLoss([document], tables)).resolves.toEqualTypeOf<LossResult>();
  expectTypeOf(model.heldOutLoss([{ ids: [1], heldOut: [2] }], tables)).resolves.toEqualTypeOf<LossResult>();
  expectTypeOf<LossResult["gradients"]>().toEqualTypeOf<LossGradients | undefined>();
  expectTypeOf<LossGradients["items"]>().not.toBeAny();
  expectTypeOf<RowGradients["data"]>().toExtend<Float32Array>();
  expectTypeOf(model.itemScores([[1, 2]], tables)).resolves.toExtend<Float32Array>();
  // @ts-expect-error a document for the held-out items has those, not targets
  void model.heldOutLoss([document], tables);
  // @ts-expect-error there is no such reduction
  void model.nextItemLoss([document], tables, { reduction: "mean" });
  // @ts-expect-error both sizes are needed
  new BaseModel({} as Backbone, { users: 2 });
});

test("documents of either form", () => {
  expectTypeOf<LanguageInput>().toEqualTypeOf<TokenInput | EncoderDecoderInput>();
  expectTypeOf<RecommendationInput>().toExtend<HeldOutInput>();
  expectTypeOf<number[]>().toExtend<Prompt>();
});

test("tensors", () => {
  expectTypeOf<TensorData<Float32Array>["data"]>().toEqualTypeOf<Float32Array>();
  expectTypeOf(writeSafetensors).returns.resolves.not.toBeAny();
});
