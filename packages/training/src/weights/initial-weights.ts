// A language model that knows nothing yet: weights drawn as the architecture's authors (and transformers) draw them.
import { TrainableBackbone, type TrainableBackboneOptions } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { fillNormal } from "../random/normal.js";

/** Streams of random numbers from here on, one a weight in the architecture's order; the tables' are 1 to 4. */
const FIRST_STREAM = 1000;

/** Those whose weights begin as described below. */
const DRAWN = ["gpt2", "llama", "mistral", "qwen2"];

export interface InitialWeightsOptions extends TrainableBackboneOptions {
  /** An integer from 0 to 2⁵³ − 1. */
  readonly seed: number;
}

/**
 * An LM with random weights, for pretraining from nothing (the paper's LLM-Scratch trains one together with the
 * tables).
 *
 * Matrices are drawn from N(0, `initializer_range`²), 0.02 where the config does not say, biases are 0 and the weights
 * of norms 1. GPT-2 divides the deviation of the two projections that end in the residual stream by √(2·layers)
 * (Radford et al. 2019, §2.3, as transformers reads it). The same bits on every machine.
 *
 * @param config a `config.json` as transformers reads it
 * @throws TrainingError for other architectures than those, and for a deviation that is no number above 0;
 *   CheckpointError for a config that is not understood
 * @example
 * initialLanguageModel({ model_type: "llama", vocab_size: 2048, hidden_size: 128, … }, { seed: 0 })
 */
export function initialLanguageModel(
  config: { readonly [key: string]: unknown },
  { seed, ...options }: InitialWeightsOptions,
): TrainableBackbone {
  const { model_type: modelType, initializer_range: deviation = 0.02 } = config;
  if (!DRAWN.includes(String(modelType))) {
    throw new TrainingError(
      `model_type: found ${JSON.stringify(modelType)}, expected one of ${DRAWN.join(", ")}; others can be trained ` +
        "from existing weights, but not from random ones",
    );
  }
  if (typeof deviation !== "number" || !(deviation > 0 && Number.isFinite(deviation))) {
    throw new TrainingError(
      `initializer_range: found ${JSON.stringify(deviation)}, expected a finite number above 0, the deviation of ` +
        "the initial weights",
    );
  }
  let stream = FIRST_STREAM;
  return TrainableBackbone.create(
    config,
    ({ name, shape }, { layers }) => {
      const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
      const own = stream++;
      if (shape.length < 2) return name.endsWith(".bias") ? data : data.fill(1);
      const residual = modelType === "gpt2" && name.endsWith(".c_proj.weight");
      const scale = residual ? deviation / Math.sqrt(2 * layers) : deviation;
      fillNormal(data, shape.at(-1)!, seed, own);
      return data.map((x) => scale * x);
    },
    options,
  );
}
