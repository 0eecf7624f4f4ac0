// How well a language model knows a text: the mean of −log p over its tokens.
import type { BaseModel, EmbeddingTable, LanguageModel, SoftTables } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";

const none: EmbeddingTable = { rows: 0, data: new Float32Array() };
/** The tables of a model without users and items. */
export const noTables: SoftTables = { users: none, items: none };

export interface TextLoss {
  /** Mean of −log p in nats a token; its exponential is the perplexity. */
  readonly loss: number;
  readonly targets: number;
}

/**
 * The loss on a stream of tokens, each predicted once, from at most `length` tokens before it: the stream is cut into
 * windows of that length from its start.
 * @param model without users and items
 * @throws TrainingError for a stream of fewer than two tokens
 */
export async function textLoss(
  model: BaseModel<LanguageModel>,
  tokens: ArrayLike<number>,
  { length, batch = 32, signal }: { readonly length: number; readonly batch?: number; readonly signal?: AbortSignal },
): Promise<TextLoss> {
  if (tokens.length < 2) throw new TrainingError(`tokens: found ${tokens.length}, expected at least 2`);
  const stream = Int32Array.from(tokens);
  let [sum, targets] = [0, 0];
  const windows = Math.ceil((stream.length - 1) / length);
  for (let first = 0; first < windows; first += batch) {
    const documents = Array.from({ length: Math.min(batch, windows - first) }, (_, k) => {
      const start = (first + k) * length;
      const end = Math.min(start + length, stream.length - 1);
      return { ids: stream.subarray(start, end), targets: stream.subarray(start + 1, end + 1) };
    });
    const result = await model.nextWordLoss(documents, noTables, {
      reduction: "sum",
      gradients: false,
      ...(signal && { signal }),
    });
    sum += result.documentLosses.reduce((a, b) => a + b, 0);
    targets += result.targets;
  }
  return { loss: sum / targets, targets };
}
