// The types of the public surface, checked by the task `typecheck`.
import {
  byteLevelBpe,
  ExtendedTokenizer,
  type ExtensionJson,
  formatPrompt,
  type PaddedBatch,
  type PromptPart,
  padSequences,
  parsePrompt,
  type TokenizerJson,
  type TokenKind,
} from "@cllm4rec/tokenizer-ext";
import { type LoadedTokenizer, loadExtended, loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import { Tokenizer } from "@huggingface/tokenizers";
import { expectTypeOf, test } from "vitest";

test("a tokenizer of the library is extended by sizes", () => {
  const json = byteLevelBpe({ vocab: {}, merges: [] });
  expectTypeOf(json).toExtend<TokenizerJson>();
  const tokenizer = new Tokenizer(json, {});
  const extended = new ExtendedTokenizer({ tokenizer, rows: 64, users: 2, items: 3 });
  expectTypeOf(extended.size).toEqualTypeOf<number>();
  expectTypeOf(extended.kind(0)).toEqualTypeOf<TokenKind>();
  expectTypeOf(extended.toJSON()).toEqualTypeOf<ExtensionJson>();
  expectTypeOf(ExtendedTokenizer.fromJSON).returns.toEqualTypeOf<ExtendedTokenizer>();
  // What comes out of a file is checked, not trusted.
  expectTypeOf(ExtendedTokenizer.fromJSON).parameter(0).toBeUnknown();
  // @ts-expect-error the number of embedding rows is needed: it may exceed the tokenizer's size
  new ExtendedTokenizer({ tokenizer, users: 2, items: 3 });
});

test("prompts have slots, texts are data", () => {
  const extended = {} as ExtendedTokenizer;
  expectTypeOf(extended.encodePrompt([{ user: 1 }, " has ", { item: 3 }])).toEqualTypeOf<number[]>();
  expectTypeOf(extended.encodeText("text", { addedTokens: "none" })).toEqualTypeOf<number[]>();
  expectTypeOf(extended.decode(Int32Array.of(1))).toEqualTypeOf<string>();
  expectTypeOf(extended.decodeParts([1])).toEqualTypeOf<PromptPart[]>();
  expectTypeOf(parsePrompt).returns.toEqualTypeOf<PromptPart[]>();
  expectTypeOf(formatPrompt).returns.toEqualTypeOf<string>();
  // @ts-expect-error a text is not a prompt
  extended.encodePrompt("<user_1> has");
  // @ts-expect-error a prompt is not a text
  extended.encodeText([{ user: 1 }]);
  // @ts-expect-error indices are numbers; raw ids belong to the dataset
  extended.encodePrompt([{ user: "u1" }]);
  // @ts-expect-error there is no such policy
  extended.encodeText("text", { addedTokens: "special" });
});

test("padding names its id", () => {
  expectTypeOf(padSequences).returns.toEqualTypeOf<PaddedBatch>();
  expectTypeOf<PaddedBatch["attentionMask"]>().toExtend<Int32Array>();
  expectTypeOf(padSequences).toBeCallableWith([[1], Int32Array.of(2, 3)], { padId: 0, side: "left" });
  // @ts-expect-error models differ in their padding id
  padSequences([[1]], {});
  // @ts-expect-error there is no such side
  padSequences([[1]], { padId: 0, side: "middle" });
});

test("files", () => {
  expectTypeOf(loadTokenizer).returns.resolves.toEqualTypeOf<LoadedTokenizer>();
  expectTypeOf(loadExtended).returns.resolves.not.toBeAny();
});
