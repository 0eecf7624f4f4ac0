// Adam (Kingma and Ba 2015, algorithm 1) for one embedding table whose gradient may have only some of the rows.
import type { EmbeddingTable, RowGradients, TensorData } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { adamPass } from "../kernels/kernels.js";
import { stretches } from "./stretches.js";

// Shape legend: R rows of the table, K width.

/**
 * What happens to rows that a gradient does not have.
 * - `dense`: their gradient is 0, and they move on by their momentum. Elementwise `torch.optim.Adam`.
 * - `sparse`: they keep their values; bias correction counts all steps. Elementwise `torch.optim.SparseAdam`. A row
 * first touched at step
 *   1,000 then moves by up to (1−β₁)/√(1−β₂) = 3.2 times the learning rate, because its moments are new and the
 * correction is over.
 * - `lazy`: they keep their values; bias correction counts the row's own updates, so each row has an Adam of its own.
 *   For a gradient with all rows it is `dense`.
 */
export type RowPolicy = "dense" | "sparse" | "lazy";

export interface AdamOptions {
  /** Default 0.9. */
  readonly beta1?: number | undefined;
  /** Default 0.999. */
  readonly beta2?: number | undefined;
  /** Default 1e-8. */
  readonly epsilon?: number | undefined;
  /** Default `lazy`. */
  readonly rows?: RowPolicy | undefined;
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
  private readonly settings: {
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly rows: RowPolicy;
  };

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
   * One step: changes `table.data` and the moments in place. All arithmetic is in single precision, but for the bias
   * corrections.
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
        `Adam: found a table of ${table.rows} rows (${table.data.length} numbers) and a gradient of ` +
          `${gradient.rows.length} rows (${gradient.data.length} numbers), expected ${rows} rows of width ${width}`,
      );
    }
    const { rows: policy } = this.settings;
    const step = ++this.steps[0]!;
    for (const row of gradient.rows) this.rowSteps[row]!++;
    let done = 0;
    for (const { row, count, steps, from } of stretches(gradient.rows, this.rowSteps)) {
      if (policy === "dense") this.move(table.data, done, row - done, undefined, step, learningRate);
      const slopes = gradient.data.subarray(from * width, (from + count) * width);
      this.move(table.data, row, count, slopes, policy === "lazy" ? steps : step, learningRate);
      done = row + count;
    }
    if (policy === "dense") this.move(table.data, done, rows - done, undefined, step, learningRate);
  }

  /** The rows that the last {@link update} moved: those of its gradient, and with `dense` all that ever had one. */
  movedRows(gradient: Int32Array): Int32Array {
    if (this.settings.rows !== "dense" || gradient.length === this.rows) return gradient;
    return Int32Array.from(this.rowSteps.keys()).filter((row) => this.rowSteps[row]! > 0);
  }

  /** Moves `count` rows from `row` on. @param steps what bias correction counts */
  private move(
    parameters: Float32Array,
    row: number,
    count: number,
    gradient: Float32Array | undefined,
    steps: number,
    learningRate: number,
  ): void {
    if (count === 0) return;
    const { width, firstMoment, secondMoment } = this;
    const { beta1, beta2, epsilon, rows: policy } = this.settings;
    const root = Math.sqrt(1 - power(beta2, steps));
    adamPass({ parameters, first: firstMoment, second: secondMoment }, row * width, count * width, gradient, {
      beta1,
      beta2,
      size: (learningRate / (1 - power(beta1, steps))) * root,
      // PyTorch's SparseAdam adds epsilon before the correction, its Adam after.
      epsilon: policy === "sparse" ? epsilon : epsilon * root,
    });
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
