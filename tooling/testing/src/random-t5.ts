// A tiny T5 with random weights, for tests of what runs on one: `TrainableBackbone.create(config, fill()).save(folder)`
// writes it.

/** T5's config.json for these sizes; `</s>` is token 1, the padding that the decoder starts with token 0. */
export function tinyT5Config({ words, width }: { words: number; width: number }): Record<string, unknown> {
  return {
    architectures: ["T5ForConditionalGeneration"],
    model_type: "t5",
    is_encoder_decoder: true,
    decoder_start_token_id: 0,
    pad_token_id: 0,
    eos_token_id: 1,
    vocab_size: words,
    d_model: width,
    d_kv: width / 2,
    d_ff: 2 * width,
    num_layers: 2,
    num_heads: 2,
    feed_forward_proj: "relu",
    tie_word_embeddings: true,
    n_positions: 128,
  };
}

/**
 * Weights of the size that T5 begins with (transformers' initialisation), from a generator of our own; the same every
 * time.
 */
export function t5Weights(): (weight: { readonly name: string; readonly shape: readonly number[] }) => Float32Array {
  let state = 1;
  const uniform = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return (state + 0.5) / 2 ** 32;
  };
  const normal = () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
  return ({ name, shape }) => {
    const [rows = 0, columns] = shape;
    if (columns === undefined) return new Float32Array(rows).fill(1); // norms
    const scale =
      name === "shared.weight" ? 1 : columns ** -0.5 * (name.endsWith(".q.weight") ? (columns / 2) ** -0.5 : 1);
    return Float32Array.from({ length: rows * columns }, () => scale * normal());
  };
}
