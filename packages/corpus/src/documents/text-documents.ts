// Documents (b) of the paper: a review, item text or user text after its prompt, for the content LLM (Eq. 5).
import { createHash } from "node:crypto";
import { CorpusUsageError } from "../errors.js";
import { checkMaxLength } from "./checks.js";
import { compilePrompt } from "./compiled-prompt.js";
import type { DocumentLayout } from "./layout.js";
import { type PromptName, type Prompts, paperPrompts } from "./template.js";
import type { TextCorpus } from "./texts.js";
import type { TokenCache } from "./token-cache.js";
import type { DocumentSource, PromptTokenizer } from "./types.js";

/** What decides text documents. */
export interface TextDocumentOptions<D, R> {
  readonly tokenizer: PromptTokenizer;
  /** The tokenised texts; it has to stay open as long as documents are built. */
  readonly cache: TokenCache;
  readonly layout: DocumentLayout<D, R>;
  /** The longest sequence, at most what the backbone's positions allow. */
  readonly maxLength: number;
  /** Default: {@link paperPrompts}. */
  readonly prompts?: Prompts;
  /**
   * A token to predict after a text's last one, so that the model learns where texts end (GPT-2: 50256, T5: 1). Not put
   * after a text that was cut. Default: none, as in the paper.
   */
  readonly endOfText?: number;
}

const promptOf: Readonly<Record<TextCorpus["kind"], PromptName>> = {
  reviews: "review",
  "item-texts": "itemText",
  "user-texts": "userText",
};

/**
 * One document for each text. Texts too long for `maxLength` are cut at the end; the prompt stays whole. Nothing here
 * is random.
 *
 * @throws {@link CorpusUsageError} for an unsound template, or a prompt that leaves no room for a token of text.
 */
export function textDocuments<D, R>({
  tokenizer,
  cache,
  layout,
  maxLength,
  prompts = paperPrompts,
  endOfText,
}: TextDocumentOptions<D, R>): DocumentSource<D> {
  checkMaxLength(maxLength);
  const name = promptOf[cache.kind];
  const prompt = compilePrompt(name, prompts[name], tokenizer);
  const P = prompt.length();
  const limit = layout.mainLimit(P, maxLength);
  if (limit < 1) {
    throw new CorpusUsageError(
      `prompt "${name}" takes ${P} tokens and leaves no room for text within maxLength ${maxLength}; shorten it ` +
        "or raise maxLength",
    );
  }
  if (endOfText !== undefined && !(Number.isInteger(endOfText) && endOfText >= 0 && endOfText < tokenizer.rows)) {
    throw new CorpusUsageError(
      `endOfText is ${endOfText}; it has to be a vocabulary id from 0 to ${tokenizer.rows - 1}`,
    );
  }
  const E = endOfText === undefined ? 0 : 1;
  const mainLength = (index: number) => Math.min(limit, cache.tokenCount(index) + E);
  let main = new Int32Array(1024);

  return {
    length: cache.documents,
    maxLength: layout.documentLength(P, limit),
    identity: createHash("sha256")
      .update(JSON.stringify(["texts", cache.key, layout.identity, maxLength, endOfText ?? null, prompt.signature]))
      .digest("hex"),
    lengthAt: (index) => layout.documentLength(P, mainLength(index)),
    document(index) {
      const available = cache.tokenCount(index);
      const M = mainLength(index);
      if (main.length < M) main = new Int32Array(2 * M);
      cache.read(index, Math.min(M, available), main);
      if (endOfText !== undefined && M > available) main[available] = endOfText;
      const filled = prompt.fill({ user: cache.user(index), item: cache.item(index) });
      return layout.document(filled, main.subarray(0, M));
    },
  };
}
