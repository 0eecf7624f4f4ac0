// Adam (Kingma and Ba 2015, algorithm 1) for one embedding table whose gradient may have only some of the rows.
import type { EmbeddingTable, RowGradients, TensorData } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";

// Shape legend: R rows of the table, K width.

/**
 * What happens to rows that a gradient does not have.
 * - `dense`: their gradient is 0, and they move on by their momentum. Elementwise `torch.optim.Adam`.
 * - `sparse`: they stand still; bias correction counts all steps. Elementwise `torch.optim.SparseAdam`. A row first touched at step
 *   1,000 then moves by up to (1−β₁)/√(1−β₂) = 3.2 times the learning rate, because its moments are new and the correction is over.
 * - `lazy`: they stand still; bias correction counts the row's own updates, so each row has an Adam of its own. For a gradient with
 *   all rows it is `dense`.
 */
export type RowPolicy = "dense" | "sparse" | "lazy";

export interface AdamOptions {
  /** Default 0.9. */
  readonly beta1?: number;
  /** Default 0.999. */
  readonly beta2?: number;
  /** Default 1e-8. */
  readonly epsilon?: number;
  /** Default `lazy`. */
  readonly rows?: RowPolicy;
}

/** The state of Adam for one table, and the update. */
export class Adam {
  /** [R, K] */
  readonly firstMoment: Float32Array;
  /** [R, K] */
  readonly secondMoment: Float32Array;
  /** [R]: updates of each row. */
  readonly rowSteps: Int32Array;
  /** [1]: updates of the table. */
  readonly steps: Int32Array;
  private readonly settings: Required<AdamOptions>;

  /** @throws TrainingError for moment rates outside [0, 1) and an epsilon that is not above 0 */
  constructor(
    readonly rows: number,
    readonly width: number,
    { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, rows: policy = "lazy" }: AdamOptions = {},
  ) {
    for (const [name, value] of Object.entries({ beta1, beta2 })) {
      if (!(value >= 0 && value < 1)) throw new TrainingError(`Adam: found ${name} ${value}, expected 0 ≤ ${name} < 1`);
    }
    if (!(epsilon > 0)) throw new TrainingError(`Adam: found epsilon ${epsilon}, expected a number above 0`);
    this.settings = { beta1, beta2, epsilon, rows: policy };
    this.firstMoment = new Float32Array(rows * width);
    this.secondMoment = new Float32Array(rows * width);
    this.rowSteps = new Int32Array(rows);
    this.steps = new Int32Array(1);
  }

  /**
   * One step: changes `table.data` and the moments in place. Arithmetic is in double precision, storage in single.
   * @throws TrainingError where table or gradient do not have the shape of this state
   */
  update(table: EmbeddingTable, gradient: RowGradients, learningRate: number): void {
    const { rows, width } = this;
    if (
      table.rows !== rows ||
      table.data.length !== rows * width ||
      gradient.data.length !== gradient.rows.length * width
    ) {
      throw new TrainingError(
        `Adam: found a table of ${table.rows} rows (${table.data.length} numbers) and a gradient of ${gradient.rows.length} rows (${gradient.data.length} numbers), expected ${rows} rows of width ${width}`,
      );
    }
    const { rows: policy } = this.settings;
    const step = ++this.steps[0]!;
    for (const row of gradient.rows) this.rowSteps[row]!++;
    let g = 0;
    if (policy === "dense") {
      const correction = this.correction(step);
      for (let row = 0; row < rows; row++) {
        const has = gradient.rows[g] === row;
        this.updateRow(table.data, row, has ? gradient.data : undefined, g * width, learningRate, correction);
        if (has) g++;
      }
      return;
    }
    const shared = policy === "sparse" ? this.correction(step) : undefined;
    let cachedStep = 0;
    let cached = shared ?? [1, 1];
    for (const row of gradient.rows) {
      const own = this.rowSteps[row]!;
      if (!shared && own !== cachedStep) {
        cached = this.correction(own);
        cachedStep = own;
      }
      this.updateRow(table.data, row, gradient.data, g * width, learningRate, cached);
      g++;
    }
  }

  /** 1 − β₁ᵗ and 1 − β₂ᵗ. */
  private correction(step: number): readonly [number, number] {
    return [1 - power(this.settings.beta1, step), 1 - power(this.settings.beta2, step)];
  }

  private updateRow(
    data: Float32Array,
    row: number,
    gradient: Float32Array | undefined,
    from: number,
    learningRate: number,
    [correction1, correction2]: readonly [number, number],
  ): void {
    const { width, firstMoment, secondMoment } = this;
    const { beta1, beta2, epsilon, rows: policy } = this.settings;
    const root = Math.sqrt(correction2);
    const size = (learningRate / correction1) * root;
    // PyTorch's SparseAdam adds epsilon before the correction, its Adam after.
    const uncorrectedEpsilon = policy === "sparse" ? epsilon : epsilon * root;
    const [fresh1, fresh2] = [1 - beta1, 1 - beta2];
    const end = (row + 1) * width;
    for (let at = row * width, g = from; at < end; at++, g++) {
      const slope = gradient === undefined ? 0 : gradient[g]!;
      const m = beta1 * firstMoment[at]! + fresh1 * slope;
      const v = beta2 * secondMoment[at]! + fresh2 * slope * slope;
      firstMoment[at] = m;
      secondMoment[at] = v;
      data[at] = data[at]! - (size * m) / (Math.sqrt(v) + uncorrectedEpsilon);
    }
  }

  /** The whole state as named tensors, sharing memory with it. */
  tensors(): Record<"first" | "second" | "rowSteps" | "steps", TensorData> {
    const { rows, width } = this;
    return {
      first: { shape: [rows, width], data: this.firstMoment },
      second: { shape: [rows, width], data: this.secondMoment },
      rowSteps: { shape: [rows], data: this.rowSteps },
      steps: { shape: [1], data: this.steps },
    };
  }
}

/** baseⁿ by squaring: unlike Math.pow, the same bits in every JavaScript engine. */
function power(base: number, n: number): number {
  let result = 1;
  for (let square = base; n > 0; n = Math.floor(n / 2), square *= square) if (n % 2 === 1) result *= square;
  return result;
}
