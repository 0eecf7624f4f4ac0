// Text about an item from the content LLM (Eq. 5): the frozen LM continues the prompt that preceded reviews or
// descriptions in training.
import type { BaseModel, GenerateOptions, SoftTables } from "@cllm4rec/backbone";
import { compilePrompt, documentLayout, type Prompts } from "@cllm4rec/corpus/prompts";
import type { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";

/** What the content LLM wrote. */
export interface Explanation {
  readonly text: string;
  /** After which prompt: `review` where a user was named (x_ij), else `itemText` (x_j). */
  readonly prompt: "review" | "itemText";
}

/** A model with its content tables, and how its prompts are made. */
export interface ContentModel {
  readonly model: BaseModel;
  readonly tables: SoftTables;
  readonly tokenizer: ExtendedTokenizer;
  readonly prompts: Prompts;
}

/** Rows of the tables that the text is about. */
export interface ExplainedPair {
  readonly user: number | undefined;
  readonly item: number;
}

/** Generates the text. Deterministic for a given seed. */
export async function explain(
  { model, tables, tokenizer, prompts }: ContentModel,
  { user, item }: ExplainedPair,
  options: GenerateOptions,
): Promise<Explanation> {
  const name = user === undefined ? "itemText" : "review";
  const ids = compilePrompt(name, prompts[name], tokenizer).fill({ item, ...(user !== undefined && { user }) });
  const document = documentLayout(model.layout).recommendation(ids, new Int32Array(0));
  const words: number[] = [];
  for await (const word of model.generate("ids" in document ? document.ids : document, tables, options))
    words.push(word);
  return { text: tokenizer.decode(words, { skipSpecialTokens: true }).trim(), prompt: name };
}
