// EASE (Steck 2019, "Embarrassingly Shallow Autoencoders for Sparse Data"): the best linear map from histories to
// histories, in closed form; with side information (Jeunen, Van Balen & Goethals 2020, CEASE) and dropout on the input
// (Steck 2020, EDLAE).
// Shapes: I users, B histories, J items, F features of a block.
import { EvaluationError } from "../error.js";
import { type ItemLists, rowCount } from "../item-lists.js";
import { checkTraining, type LinearScorer, sumScorer } from "./history-scorer.js";
import { addFeatureGram, checkSideInformation, type SideInformation } from "./side-information.js";
import { type InverseOptions, invertSymmetric } from "./symmetric-inverse.js";

/** How EASE is fitted. */
export interface EaseOptions extends InverseOptions {
  /** J */
  readonly items: number;
  /** λ, the L2 weight of the map; choose it on validation, for example with `tuneEase`. Default 200. */
  readonly lambda?: number;
  /** What is known of the items besides who has them, such as words of their titles; default nothing. */
  readonly sideInformation?: readonly SideInformation[];
  /**
   * p, the share of a history's items that is dropped from the input while fitting (Steck 2020, §3): adds p/(1 −
   * p)·diag(XᵀX) to the regulariser. From 0 to below 1; default 0.
   */
  readonly dropout?: number;
  /** Bytes that may be used; default 4 GB, which is enough for 18,257 items. See {@link easeMemory}. */
  readonly memoryLimit?: number;
}

const DEFAULT_LIMIT = 4e9;

/** Bytes that {@link ease} needs at its peak for J items: one J × J matrix in double and one in single precision. */
export function easeMemory(items: number): number {
  return 12 * items * items;
}

/**
 * Fits W = argmin ‖X − XW‖² + λ‖W‖² with a zero diagonal to binary interactions X [I, J]: with P = (XᵀX + λ)⁻¹, W_ij =
 * −P_ij / P_jj for i ≠ j (Steck 2019, Eq. 8). A history scores by the sum of its items' rows of W. With side
 * information T [J, F] of weight w, XᵀX becomes XᵀX + w·TTᵀ, as if each feature were a user who has its items (Jeunen
 * et al. 2020, §3.1, with w = α²).
 *
 * About J³ additions and multiplications, and {@link easeMemory} bytes. In this thread they are double precision; with
 * `multiply` the products are single precision, wherever the caller computes them.
 *
 * @param training [I] the items of each user
 * @throws {EvaluationError} for training data that do not fit, options out of range, and matrices beyond the memory
 *   limit; the signal's reason when it is aborted
 */
export async function ease(training: ItemLists, options: EaseOptions): Promise<LinearScorer> {
  const { items, lambda = 200, dropout = 0, sideInformation = [], memoryLimit = DEFAULT_LIMIT } = options;
  if (!(lambda > 0 && lambda < Number.POSITIVE_INFINITY)) {
    throw new EvaluationError(`lambda: found ${lambda}, expected a number above 0.`);
  }
  if (!(dropout >= 0 && dropout < 1)) {
    throw new EvaluationError(`dropout: found ${dropout}, expected a number from 0 to below 1.`);
  }
  checkTraining(training, items);
  for (const block of sideInformation) checkSideInformation(block, items);
  if (easeMemory(items) > memoryLimit) {
    throw new EvaluationError(
      `items: found ${items}, for which EASE needs ${gigabytes(easeMemory(items))}, expected at most ` +
        `${gigabytes(memoryLimit)}; raise memoryLimit, or leave rare items out.`,
    );
  }
  const inverse = gram(training, items);
  const kept = 1 / (1 - dropout);
  for (let i = 0; i < items; i++) inverse[i * items + i] = inverse[i * items + i]! * kept + lambda;
  for (const block of sideInformation) addFeatureGram(inverse, items, block);
  await invertSymmetric(inverse, items, options);
  const weights = toWeights(inverse, items);
  const settings = [`λ ${lambda}`, ...(dropout > 0 ? [`dropout ${dropout}`] : []), ...sideInformation.map(label)];
  return sumScorer(
    `EASE${sideInformation.length > 0 ? " with text" : ""} (${settings.join(", ")})`,
    items,
    (item, row) => {
      const start = item * items;
      for (let j = 0; j < items; j++) row[j]! += weights[start + j]!;
    },
  );
}

/** XᵀX: how many users two items share; the upper triangle. */
function gram(training: ItemLists, items: number): Float64Array {
  const shared = new Float64Array(items * items);
  const users = rowCount(training);
  for (let user = 0; user < users; user++) {
    const history = training.indices.slice(training.indptr[user]!, training.indptr[user + 1]!).sort();
    for (let a = 0; a < history.length; a++) {
      const row = history[a]! * items;
      for (let b = a; b < history.length; b++) shared[row + history[b]!]!++;
    }
  }
  return shared;
}

/** W [J, J] from P. */
function toWeights(inverse: Float64Array, items: number): Float32Array {
  const weights = new Float32Array(items * items);
  const diagonal = Float64Array.from({ length: items }, (_, j) => inverse[j * items + j]!);
  for (let i = 0; i < items; i++) {
    const row = i * items;
    for (let j = 0; j < items; j++) weights[row + j] = -inverse[row + j]! / diagonal[j]!;
    weights[row + i] = 0;
  }
  return weights;
}

const label = ({ name, weight }: SideInformation): string => `${name} ${weight}`;
const gigabytes = (bytes: number): string => `${(bytes / 1e9).toFixed(1)} GB`;
