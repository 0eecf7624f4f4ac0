// The types that callers rely on; checked by `tsc`, never run.
import type { Dataset } from "@cllm4rec/corpus";
import type { Engine } from "@cllm4rec/onnx-grad";
import {
  type BlendMember,
  type Embeddings,
  type Explanation,
  type NotAvailableError,
  openRecommender,
  type Recommendation,
  type Recommender,
  type UnknownIdError,
} from "@cllm4rec/recommend";
import { blend, type LearnedBlend } from "@cllm4rec/recommend/blend";
import { expectTypeOf } from "vitest";

const recommender = await openRecommender("model");
expectTypeOf(recommender).toEqualTypeOf<Recommender>();
expectTypeOf(recommender).toExtend<AsyncDisposable>();
expectTypeOf(openRecommender).toBeCallableWith(["a", "b"], { threads: 2, known: "train", maxBatch: 8 });
declare const engine: Engine;
expectTypeOf(openRecommender).toBeCallableWith("a", {
  engine,
  backbone: "gpt2",
  hubCache: "cache",
  onNotice: console.log,
});

expectTypeOf(recommender.recommend({ user: "u", k: 3 })).resolves.toEqualTypeOf<Recommendation[]>();
expectTypeOf(recommender.similarItems("i", 3)).resolves.toEqualTypeOf<Recommendation[]>();
expectTypeOf<Recommendation>().toEqualTypeOf<{
  readonly item: string;
  readonly score: number;
  readonly title?: string;
}>();
expectTypeOf(recommender.scores({ history: ["i"], items: ["j"] })).resolves.toEqualTypeOf<Float32Array>();
expectTypeOf(recommender.embedUser({ user: "u" })).resolves.toEqualTypeOf<Float32Array>();
expectTypeOf(recommender.embedItems()).resolves.toEqualTypeOf<Embeddings>();
expectTypeOf(recommender.explain({ item: "i" })).resolves.toEqualTypeOf<Explanation>();
expectTypeOf(recommender.close()).resolves.toEqualTypeOf<void>();

declare const dataset: Dataset;
expectTypeOf(blend("model", dataset)).resolves.toEqualTypeOf<LearnedBlend>();
expectTypeOf(blend).toBeCallableWith(["a", "b"], dataset, { out: "c", scorers: ["ease with text"], trials: 3 });
expectTypeOf(recommender.members).toEqualTypeOf<readonly BlendMember[]>();
expectTypeOf(openRecommender).toBeCallableWith("a", { blend: false });

// Optional values may be undefined, as they come out of other programs.
expectTypeOf(recommender.recommend).toBeCallableWith({ user: undefined, history: ["i"], k: 3, signal: undefined });
expectTypeOf(recommender.recommend).toBeCallableWith({
  history: ["i"],
  k: 3,
  exclude: new Set(["i"]),
  filter: () => true,
});
// @ts-expect-error k is needed
void recommender.recommend({ user: "u" });
// @ts-expect-error ids are strings
void recommender.recommend({ user: 3, k: 3 });
// @ts-expect-error a history is a list
void recommender.recommend({ history: "i", k: 3 });

expectTypeOf<UnknownIdError["kind"]>().toEqualTypeOf<"user" | "item">();
expectTypeOf<UnknownIdError["nearest"]>().toEqualTypeOf<readonly string[]>();
expectTypeOf<NotAvailableError["code"]>().toEqualTypeOf<"no-content-tables" | "no-histories" | "no-text-features">();
