// Rotary position embeddings (Su et al. 2021) in the half-split layout of the Llama checkpoints, with linear and Llama-3.1 scaling.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { LlamaConfig, RopeScaling } from "../checkpoint/config-llama.js";

// Shape legend: B rows, T positions a row, H heads, D head size, n = B·T tokens.

/** Angle per position of each of the D/2 pairs, in radians, in float64. */
export function rotaryFrequencies({ headSize, rope }: Pick<LlamaConfig, "headSize" | "rope">): number[] {
  return Array.from({ length: headSize / 2 }, (_, d) =>
    scaleFrequency(rope.theta ** ((-2 * d) / headSize), rope.scaling),
  );
}

function scaleFrequency(frequency: number, scaling: RopeScaling | null): number {
  if (!scaling) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  // Llama 3.1: wavelengths below original/high keep their frequency, above original/low are divided by the factor.
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

export interface RotaryTables {
  /** [B, 1, T, D/2] each. */
  readonly cos: Value;
  readonly sin: Value;
}

/** cos and sin of position × frequency, computed in the graph once for all layers. */
export function rotaryTables(
  graph: Graph,
  config: Pick<LlamaConfig, "headSize" | "rope">,
  positions: Value,
): RotaryTables {
  const { op } = graph;
  const frequencies = graph.constant(rotaryFrequencies(config));
  const angles = op.Mul(op.Cast(op.Unsqueeze(positions, [1, 3]), "float32"), frequencies); // [B, 1, T, D/2]
  return { cos: op.Cos(angles), sin: op.Sin(angles) };
}

/** Turns the pairs (d, d + D/2) of every head: [B, H, T, D] → [B, H, T, D]. */
export function rotate(graph: Graph, x: Value, { cos, sin }: RotaryTables): Value {
  const { op } = graph;
  const half = (x.dim(-1) as number) / 2;
  const [first, second] = op.Split(x, [half, half], { axis: -1 }) as [Value, Value];
  return op.Concat([op.Sub(op.Mul(first, cos), op.Mul(second, sin)), op.Add(op.Mul(second, cos), op.Mul(first, sin))], {
    axis: -1,
  });
}
