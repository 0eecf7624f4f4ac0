// The types of the public surface, checked by the task `typecheck`.
import type { BaseModel } from "@cllm4rec/backbone";
import type { Csr, PromptTokenizer } from "@cllm4rec/corpus";
import type { MetricName } from "@cllm4rec/eval";
import { checkFinetune, type FinetuneResult, type FinetuneSettings, finetune } from "@cllm4rec/finetune";
import type { BestModel } from "@cllm4rec/training";
import type { TokenTables } from "@cllm4rec/training/stage";
import { expectTypeOf, test } from "vitest";

const data = {} as { model: BaseModel; tokenizer: PromptTokenizer; train: Csr };

test("data are all that a run needs; undefined is the default of everything else", () => {
  expectTypeOf(finetune).toBeCallableWith(data);
  expectTypeOf(finetune).toBeCallableWith({ ...data, epochs: undefined, lambdaC: undefined, validation: undefined });
  expectTypeOf(finetune).returns.resolves.toEqualTypeOf<FinetuneResult>();
  expectTypeOf(checkFinetune).returns.toBeVoid();
  expectTypeOf<FinetuneResult["tables"]>().toEqualTypeOf<TokenTables>();
  expectTypeOf<FinetuneResult["best"]>().toEqualTypeOf<BestModel | undefined>();
});

test("settings have the types of their schema", () => {
  expectTypeOf<FinetuneSettings["metrics"]>().toEqualTypeOf<readonly MetricName[] | undefined>();
  expectTypeOf<0.5 | readonly [0.2, 0.8]>().toExtend<FinetuneSettings["maskedShare"]>();
  expectTypeOf<FinetuneSettings["contentSteps"]>().toEqualTypeOf<number | "epoch" | undefined>();
  // @ts-expect-error no such metric
  finetune({ ...data, metrics: ["recall"] });
  // @ts-expect-error no such target
  finetune({ ...data, targets: "some" });
});
