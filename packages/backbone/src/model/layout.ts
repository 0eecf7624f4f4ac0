// Which sequences an LM is trained on: one that holds prompt and main text, or one for its encoder and one for its
// decoder.
import type { BackboneConfig } from "../checkpoint/config.js";

/**
 * How prompts and main texts become the sequences of an LM (paper, A.1); `documentLayout` of `@cllm4rec/corpus` takes
 * it.
 */
export type SequenceLayout =
  | { readonly kind: "decoder-only" }
  | {
      readonly kind: "encoder-decoder";
      /** What the decoder starts with. */
      readonly decoderStart: number;
      /** What the encoder's sequences end with in the LM's own training; absent where it has no such token. */
      readonly encoderEnd?: number;
    };

/** The layout that belongs to a config. */
export function layoutOf(config: BackboneConfig): SequenceLayout {
  if (!("encoderLayers" in config)) return { kind: "decoder-only" };
  const [encoderEnd] = config.eosTokenIds;
  return {
    kind: "encoder-decoder",
    decoderStart: config.decoderStartTokenId,
    ...(encoderEnd !== undefined && { encoderEnd }),
  };
}
