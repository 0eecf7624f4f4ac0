// Rotary position embeddings (Su et al. 2021) in the half-split layout of the Hugging Face checkpoints, with the
// scalings of config-rope.ts.
import type { Graph, Value } from "@cllm4rec/onnx-grad";
import type { Rope, RopeScaling } from "../checkpoint/config-rope.js";

// Shape legend: B rows, T positions a row, H heads, D head size, R rotated dimensions of each head (D where all are), n
// = B·T tokens.

/** Turns queries or keys [B, H, T, D] by their positions, int64 [B, T]. */
export type Rotation = (x: Value, positions: Value) => Value;

/** A rotation whose cosines and sines are computed in the graph once for all layers and for each set of positions. */
export function rotation(graph: Graph, rope: Rope): Rotation {
  const tables = new Map<Value, RotaryTables>();
  return (x, positions) => {
    const known = tables.get(positions) ?? graph.scope("rope", () => rotaryTables(graph, rope, positions));
    tables.set(positions, known);
    return rotate(graph, x, known, rope.dimensions);
  };
}

/** Angle per position of each of the R/2 pairs, in radians, in float64. */
export function rotaryFrequencies({ theta, dimensions, scaling }: Rope): number[] {
  const plain = Array.from({ length: dimensions / 2 }, (_, d) => theta ** ((-2 * d) / dimensions));
  if (scaling?.type === "yarn") {
    const ramp = yarnRamp(scaling, theta, dimensions);
    return plain.map((frequency, d) => (frequency / scaling.factor) * ramp(d) + frequency * (1 - ramp(d)));
  }
  return plain.map((frequency, d) => scaleFrequency(frequency, d, scaling));
}

function scaleFrequency(frequency: number, d: number, scaling: Exclude<RopeScaling, { type: "yarn" }> | null): number {
  if (!scaling) return frequency;
  if (scaling.type === "linear") return frequency / scaling.factor;
  if (scaling.type === "longrope") return frequency / scaling.shortFactors[d]!;
  // Llama 3.1: wavelengths below original/high keep their frequency, above original/low are divided by the factor.
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = scaling;
  const turns = (originalMaxPositions * frequency) / (2 * Math.PI);
  if (turns < low) return frequency / factor;
  if (turns > high) return frequency;
  const smooth = (turns - low) / (high - low);
  return ((1 - smooth) * frequency) / factor + smooth * frequency;
}

/**
 * YaRN (Peng et al. 2023, §3.2): which share of pair d is interpolated. Pairs that turn `betaFast` times or more within
 * the original length keep their frequency, those that turn `betaSlow` times or less have it divided by the factor,
 * between them the share rises linearly in d.
 */
function yarnRamp(
  { betaFast, betaSlow, originalMaxPositions, truncate }: Extract<RopeScaling, { type: "yarn" }>,
  theta: number,
  dimensions: number,
): (d: number) => number {
  const pairWith = (turns: number) =>
    (dimensions * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [first, last] = [pairWith(betaFast), pairWith(betaSlow)];
  const low = Math.max(truncate ? Math.floor(first) : first, 0);
  const high = Math.min(truncate ? Math.ceil(last) : last, dimensions - 1);
  const width = low === high ? 0.001 : high - low; // as in transformers
  return (d) => Math.min(Math.max((d - low) / width, 0), 1);
}

/** What cosines and sines are multiplied by; queries and keys both are, so scores get its square. */
export function rotaryMagnitude({ scaling }: Rope): number {
  return scaling?.type === "yarn" || scaling?.type === "longrope" ? scaling.attentionFactor : 1;
}

interface RotaryTables {
  /** [B, 1, T, R/2] each. */
  readonly cos: Value;
  readonly sin: Value;
}

/** cos and sin of position × frequency. */
function rotaryTables(graph: Graph, rope: Rope, positions: Value): RotaryTables {
  const { op } = graph;
  const frequencies = graph.constant(rotaryFrequencies(rope));
  const angles = op.Mul(op.Cast(op.Unsqueeze(positions, [1, 3]), "float32"), frequencies); // [B, 1, T, R/2]
  const magnitude = rotaryMagnitude(rope);
  const scaled = (x: Value) => (magnitude === 1 ? x : op.Mul(x, magnitude));
  return { cos: scaled(op.Cos(angles)), sin: scaled(op.Sin(angles)) };
}

/** Turns the pairs (d, d + R/2) of every head and leaves its dimensions from R on: [B, H, T, D] → [B, H, T, D]. */
function rotate(graph: Graph, x: Value, { cos, sin }: RotaryTables, dimensions: number): Value {
  const { op } = graph;
  const half = dimensions / 2;
  const rest = (x.dim(-1) as number) - dimensions;
  const [first, second, ...kept] = op.Split(x, rest === 0 ? [half, half] : [half, half, rest], { axis: -1 }) as [
    Value,
    Value,
    ...Value[],
  ];
  const turned = [op.Sub(op.Mul(first, cos), op.Mul(second, sin)), op.Add(op.Mul(second, cos), op.Mul(first, sin))];
  return op.Concat([...turned, ...kept], { axis: -1 });
}
