// All weights of a language model as named parameters with AdamW (Loshchilov and Hutter 2019, algorithm 2).
import type { TensorData } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import type { AdamOptions } from "../optimiser/adam.js";
import type { ParameterOptions } from "./parameters.js";

/** AdamW's rates. */
export interface AdamWOptions extends Omit<AdamOptions, "rows"> {
  /** λ: before each step of rate η, a weight is multiplied by 1 − η·λ. Default 0.01, as in torch.optim.AdamW. */
  readonly weightDecay?: number | undefined;
  /** Which weights decay. Default: those of two dimensions and more, so neither biases nor norms. */
  readonly decays?: ((name: string, shape: readonly number[]) => boolean) | undefined;
}

/**
 * Dense parameters that share memory with the weights; elementwise `torch.optim.AdamW`.
 * @param weights by name, e.g. those of a `TrainableBackbone`
 * @throws TrainingError for a decay below 0
 */
export function weightParameters(
  weights: ReadonlyMap<string, TensorData<Float32Array>>,
  {
    weightDecay = 0.01,
    decays = (_, shape) => shape.length > 1,
    beta1 = 0.9,
    beta2 = 0.999,
    epsilon = 1e-8,
  }: AdamWOptions = {},
): Record<string, ParameterOptions> {
  if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
    throw new TrainingError(`weightDecay: found ${weightDecay}, expected a finite number of at least 0`);
  return Object.fromEntries(
    [...weights].map(([name, { shape, data }]) => [
      name,
      { shape, data, adam: { beta1, beta2, epsilon }, weightDecay: decays(name, shape) ? weightDecay : 0 },
    ]),
  );
}
