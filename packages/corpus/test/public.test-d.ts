// The types of the public surface, checked by the task `typecheck`.
import {
  BatchPlan,
  type BatchState,
  type Csr,
  csrRow,
  Dataset,
  type DocumentBatch,
  type DocumentLayout,
  type DocumentSource,
  decoderOnly,
  documentLayout,
  type EncoderDecoderDocument,
  encoderDecoder,
  type HeldOutDocument,
  interactionDocuments,
  type LanguageDocument,
  type Manifest,
  type PromptTokenizer,
  prepare,
  type RecommendationDocument,
  recommendationDocuments,
  recommendationPrompter,
  type TokenDocument,
  type UserDocumentSource,
  type WordFeatures,
  wordFeatures,
} from "@cllm4rec/corpus";
import type { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { expectTypeOf, test } from "vitest";

test("preparing gives a manifest", () => {
  expectTypeOf(prepare).returns.resolves.toEqualTypeOf<Manifest>();
  expectTypeOf(prepare).toBeCallableWith({ inputs: ["reviews.json"], output: "out", minRating: null, split: "time" });
  // @ts-expect-error an output is needed
  void prepare({ inputs: ["reviews.json"] });
  // @ts-expect-error inputs are a list: a comma may be part of a path
  void prepare({ inputs: "reviews.json", output: "out" });
  // @ts-expect-error there is no such split
  void prepare({ inputs: ["reviews.json"], output: "out", split: "k-fold" });
});

test("a dataset has matrices by split", () => {
  expectTypeOf(Dataset.open).returns.resolves.toEqualTypeOf<Dataset>();
  const dataset = {} as Dataset;
  expectTypeOf(dataset.interactions("train")).resolves.toEqualTypeOf<Csr>();
  expectTypeOf(dataset.itemTexts()).resolves.toEqualTypeOf<(string | null)[]>();
  expectTypeOf(csrRow).returns.toExtend<Int32Array>();
  // @ts-expect-error there is no such split
  void dataset.interactions("dev");
});

test("the layout decides the form of documents", () => {
  expectTypeOf<ExtendedTokenizer>().toExtend<PromptTokenizer>();
  const common = { tokenizer: {} as PromptTokenizer, maxLength: 512 };
  const interactions = {} as Csr;
  const words = interactionDocuments({ ...common, interactions, layout: decoderOnly() });
  expectTypeOf(words).toEqualTypeOf<UserDocumentSource<TokenDocument>>();
  const pairs = interactionDocuments({ ...common, interactions, layout: encoderDecoder({ decoderStart: 0 }) });
  expectTypeOf(pairs).toEqualTypeOf<UserDocumentSource<EncoderDecoderDocument>>();
  const masked = recommendationDocuments({ ...common, interactions, layout: decoderOnly(), maskedShare: 0.4 });
  expectTypeOf(masked).toEqualTypeOf<UserDocumentSource<RecommendationDocument>>();
  const layout = documentLayout({ kind: "decoder-only" });
  expectTypeOf(layout).toEqualTypeOf<DocumentLayout<LanguageDocument, HeldOutDocument>>();
  const prompt = recommendationPrompter({ ...common, layout: decoderOnly() });
  expectTypeOf(prompt({ history: [1] }, { seed: 0, epoch: 0 })).toEqualTypeOf<RecommendationDocument>();
  // @ts-expect-error an encoder–decoder names what its decoder starts with
  documentLayout({ kind: "encoder-decoder" });
  // @ts-expect-error a history is needed
  prompt({ user: 1 }, { seed: 0, epoch: 0 });
});

test("batches have the documents of their source", () => {
  const plan = new BatchPlan({} as DocumentSource<TokenDocument>, { size: { tokens: 8192 } });
  expectTypeOf(plan.batch({ seed: 0, epoch: 0, step: 0 })).toEqualTypeOf<DocumentBatch<TokenDocument>>();
  expectTypeOf<DocumentBatch<TokenDocument>["next"]>().toEqualTypeOf<BatchState>();
  // @ts-expect-error a size is needed
  new BatchPlan({} as DocumentSource<TokenDocument>, {});
  // @ts-expect-error all of a batch's place is needed
  plan.batch({ seed: 0, step: 0 });
});

test("word features", () => {
  expectTypeOf(wordFeatures(["a", null])).toEqualTypeOf<WordFeatures>();
});
