// What the outputs of a loss graph are as gradients of tables and weights, and which of them the arrays of earlier
// gradients fit.
import type { Tensor, TypedArray } from "@cllm4rec/onnx-grad";
import { type PackedBatch, sumSoftGradients, type Vocabulary } from "./batch.js";
import type { RowGradients } from "./documents.js";
import { type HeadKind, WEIGHT_GRADIENT } from "./graphs.js";
import type { LanguageModel } from "./language-model.js";

// Shape legend: J items.

export interface LossGradients {
  /** ∂loss/∂table rows. */
  readonly users: RowGradients;
  /** All J rows where the head is tied to the items. */
  readonly items: RowGradients;
  /** ∂loss/∂g, [D]; absent where the tables have no skip path. */
  readonly skipGain?: Float32Array;
  /** ∂loss/∂weight, of the weight's shape, for the weights that this loss uses; absent where the backbone is frozen. */
  readonly weights?: Readonly<Record<string, Float32Array>>;
}

/** Gradients by table; the head's gradient of all item rows and the input rows' gradients are added up. */
export function lossGradients(
  backbone: LanguageModel,
  vocabulary: Vocabulary,
  batch: PackedBatch,
  outputs: Readonly<Record<string, Tensor>>,
): LossGradients {
  const { width, items } = vocabulary;
  const split = {
    ...sumSoftGradients(batch, outputs.softGradients!.data as Float32Array, vocabulary),
    ...(outputs.skipGradients && { skipGain: outputs.skipGradients.data as Float32Array }),
    ...(backbone.trainableWeights && { weights: weightGradients(outputs) }),
  };
  const table = outputs.tableGradients?.data as Float32Array | undefined;
  if (!table) return split;
  split.items.rows.forEach((item, r) => {
    for (let k = 0; k < width; k++) table[item * width + k]! += split.items.data[r * width + k]!;
  });
  return { ...split, items: { rows: Int32Array.from({ length: items }, (_, j) => j), data: table } };
}

function weightGradients(outputs: Readonly<Record<string, Tensor>>): Record<string, Float32Array> {
  const named = Object.entries(outputs).filter(([output]) => output.startsWith(WEIGHT_GRADIENT));
  return Object.fromEntries(
    named.map(([output, { data }]) => [output.slice(WEIGHT_GRADIENT.length), data as Float32Array]),
  );
}

/** Arrays of earlier gradients by the outputs that they fit. */
export function memoryOf({ items, weights = {} }: LossGradients, head: HeadKind): Record<string, TypedArray> {
  const named = Object.entries(weights).map(([name, data]) => [`${WEIGHT_GRADIENT}${name}`, data] as const);
  return { ...Object.fromEntries(named), ...(head === "items" && { tableGradients: items.data }) };
}
