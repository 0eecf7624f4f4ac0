// The types of the public surface, checked by the task `typecheck`.
import type { BaseModel } from "@cllm4rec/backbone";
import type { Csr, PromptTokenizer } from "@cllm4rec/corpus";
import { checkPretrain, type PretrainResult, type PretrainSettings, pretrain } from "@cllm4rec/pretrain";
import type { LearningRate, StopReason } from "@cllm4rec/training";
import type { TokenTables } from "@cllm4rec/training/stage";
import { expectTypeOf, test } from "vitest";

const data = {} as { model: BaseModel; tokenizer: PromptTokenizer; train: Csr };

test("data are all that a run needs; undefined is the default of everything else", () => {
  expectTypeOf(pretrain).toBeCallableWith(data);
  expectTypeOf(pretrain).toBeCallableWith({ ...data, rounds: undefined, tables: undefined, texts: undefined });
  expectTypeOf(pretrain).returns.resolves.toEqualTypeOf<PretrainResult>();
  expectTypeOf(checkPretrain).returns.toBeVoid();
  expectTypeOf<PretrainResult["tables"]>().toEqualTypeOf<TokenTables>();
  expectTypeOf<PretrainResult["reason"]>().toEqualTypeOf<StopReason>();
});

test("settings have the types of their schema", () => {
  expectTypeOf<PretrainSettings["lSteps"]>().toEqualTypeOf<number | "epoch" | undefined>();
  expectTypeOf<number | LearningRate>().toExtend<PretrainSettings["learningRate"]>();
  // @ts-expect-error no such scaling
  pretrain({ ...data, scaling: "other" });
  // @ts-expect-error a number or "epoch"
  pretrain({ ...data, cSteps: "half" });
});
