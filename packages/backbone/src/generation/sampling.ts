// From next-word logits to a token: greedy, or sampled with temperature and nucleus (Holtzman et al. 2020), seeded.

export interface SamplingOptions {
  /** 0 (the default) takes the most probable token; otherwise logits are divided by it. */
  readonly temperature?: number;
  /** Sampling is among the fewest tokens whose probabilities reach this share; 1 (the default) is all of them. */
  readonly topP?: number;
  /** Seed of the sampling; 0 where absent. */
  readonly seed?: number;
}

/** Chooses a token from logits [N]; of equal ones the lowest id. */
export type Sampler = (logits: Float32Array) => number;

/** @throws RangeError for a negative temperature or a share outside (0, 1]. */
export function sampler({ temperature = 0, topP = 1, seed = 0 }: SamplingOptions): Sampler {
  if (!(temperature >= 0)) throw new RangeError(`temperature ${temperature}: 0 or more is expected`);
  if (!(topP > 0 && topP <= 1)) throw new RangeError(`topP ${topP}: more than 0 and at most 1 is expected`);
  if (temperature === 0) return argMax;
  const uniform = uniformNumbers(seed);
  return (logits) => drawNucleus(logits, temperature, topP, uniform());
}

function argMax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i;
  return best;
}

function drawNucleus(logits: Float32Array, temperature: number, topP: number, uniform: number): number {
  const highest = logits[argMax(logits)]!;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - highest) / temperature));
  const total = weights.reduce((a, b) => a + b, 0);
  const order = Uint32Array.from(weights, (_, i) => i).sort((a, b) => weights[b]! - weights[a]! || a - b);
  let nucleus = 0;
  let size = 0;
  while (size < order.length && nucleus < topP * total) nucleus += weights[order[size++]!]!;
  let rest = uniform * nucleus;
  for (let i = 0; i < size; i++) {
    rest -= weights[order[i]!]!;
    if (rest < 0) return order[i]!;
  }
  return order[size - 1]!;
}

/** Uniform numbers in [0, 1) from SplitMix32 (Steele et al. 2014, 32-bit variant), the same on every machine. */
function uniformNumbers(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x9e3779b9) | 0;
    let z = state ^ (state >>> 16);
    z = Math.imul(z, 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return ((z ^ (z >>> 15)) >>> 0) / 2 ** 32;
  };
}
