// Named parameters: tensors that are trained, each with its own Adam, learning rate, regulariser and moving average,
// and a place in checkpoints.
import type { RowGradients, TensorData } from "@cllm4rec/backbone";
import { copyTensors } from "../checkpoint/copy-tensors.js";
import { TrainingError } from "../error.js";
import { Adam, type AdamOptions } from "../optimiser/adam.js";
import { type LearningRate, type Schedule, toSchedule } from "../optimiser/schedule.js";
import { firstNotFinite } from "../tables/finite.js";
import type { Initialiser } from "./initialisers.js";
import { MovingAverage } from "./moving-average.js";

// Shape legend: R rows of a parameter (its first axis), K numbers in a row.

/** A gradient of a whole parameter, or of some of its rows. */
export type Gradient = Float32Array | RowGradients;

/** One parameter: where its numbers come from, and how they are updated. */
export interface ParameterOptions {
  readonly shape: readonly number[];
  /** Its numbers, changed in place. Absent: new ones, drawn by `initial`. */
  readonly data?: Float32Array;
  /** How its first numbers are drawn; default zeros. Depends on the seed and the parameter's name alone. */
  readonly initial?: Initialiser;
  /**
   * `dense` (default): gradients are whole tensors. `rows`: they have some rows of the first axis, and Adam knows what
   * each row has seen.
   */
  readonly update?: "dense" | "rows";
  /** `rows` among them says what happens to rows without a gradient; it has no meaning for dense parameters. */
  readonly adam?: AdamOptions;
  /** Default: the task's. Both count the task's updates from 0. */
  readonly learningRate?: number | LearningRate | Schedule;
  /**
   * λ of AdamW: before each step of rate η the numbers are multiplied by 1 − η·λ (Loshchilov and Hutter 2019). Absent:
   * Adam.
   */
  readonly weightDecay?: number;
  /**
   * Adds (λ/2)·‖θ − towards‖² to the objective, over the rows that a gradient has; `towards` defaults to 0 and is held
   * fixed.
   */
  readonly l2?: { readonly lambda: number; readonly towards?: Float32Array };
  /**
   * Keeps an exponential moving average (Polyak and Juditsky 1992): after an update of a row, average ← decay·average +
   * (1 − decay)·row, with a smaller decay in the row's first updates. Absent: none.
   */
  readonly averageDecay?: number | undefined;
  /** The tensor's name in checkpoints; default: the parameter's. */
  readonly place?: string;
}

interface Slot {
  readonly place: string;
  readonly tensor: TensorData<Float32Array>;
  readonly options: ParameterOptions;
  /** Rows and width as Adam sees them: a dense parameter is one row. */
  readonly rows: number;
  readonly width: number;
  readonly adam: Adam;
  readonly rate: Schedule | undefined;
  readonly average: MovingAverage | undefined;
}

/** Everything that a run trains. Owns the arrays that it is given: they are changed in place. */
export class Parameters {
  readonly #slots: ReadonlyMap<string, Slot>;

  /**
   * @param parameters by name; gradients, and a run's results, have the same names
   * @param options.seed of the initial numbers; default 0
   * @throws TrainingError for shapes that do not fit, and for rates that make no sense
   */
  constructor(parameters: Readonly<Record<string, ParameterOptions>>, { seed = 0 }: { readonly seed?: number } = {}) {
    this.#slots = new Map(Object.entries(parameters).map(([name, options]) => [name, slotOf(name, options, seed)]));
    const places = new Set([...this.#slots.values()].map(({ place }) => place));
    if (places.size < this.#slots.size)
      throw new TrainingError("parameters: found two with one place in the checkpoint");
  }

  /** The numbers by name, sharing memory with this object. */
  get values(): Readonly<Record<string, TensorData<Float32Array>>> {
    return Object.fromEntries([...this.#slots].map(([name, { tensor }]) => [name, tensor]));
  }

  /** The moving averages where they are kept, else the numbers themselves: what a model is judged and published by. */
  get averaged(): Readonly<Record<string, TensorData<Float32Array>>> {
    return Object.fromEntries(
      [...this.#slots].map(([name, { tensor, average }]) => [
        name,
        average ? { shape: tensor.shape, data: average.table.data } : tensor,
      ]),
    );
  }

  /** What decides the steps of each parameter, in plain data. */
  describe(): Readonly<Record<string, Omit<ParameterOptions, "data" | "initial">>> {
    return Object.fromEntries([...this.#slots].map(([name, { options }]) => [name, options]));
  }

  /**
   * Adds the gradients of the regularisers in place.
   * @returns their values, summed
   */
  regularise(gradients: Readonly<Record<string, Gradient>>): number {
    let sum = 0;
    for (const [name, gradient] of Object.entries(gradients)) {
      const slot = this.#slots.get(name);
      if (slot?.options.l2 && slot.options.l2.lambda > 0) sum += addL2(slot, asRows(gradient), slot.options.l2);
    }
    return sum;
  }

  /**
   * One step of every parameter that has a gradient; the others keep their values, as parameters without `grad` do in
   * PyTorch.
   * @param learningRate of parameters without one of their own
   * @param update by which a parameter's own schedule is read, from 0
   * @throws TrainingError for a gradient of a parameter that there is not, or of another size; nothing is changed
   */
  update(gradients: Readonly<Record<string, Gradient>>, learningRate: number, update = 0): void {
    const steps = Object.entries(gradients).map(([name, gradient]) => {
      const slot = this.#slots.get(name);
      const rows = asRows(gradient);
      const expected = slot && (slot.options.update === "rows" ? rows.rows.length * slot.width : slot.width);
      if (!slot || rows.data.length !== expected) {
        throw new TrainingError(
          `gradient of ${name}: found ${rows.data.length} numbers, expected ${expected ?? "a weight of this model"}`,
        );
      }
      return { slot, gradient: rows };
    });
    for (const { slot, gradient } of steps) {
      if (gradient.rows.length === 0) continue;
      const { tensor, rows, adam, average, options, rate } = slot;
      const own = rate ? rate(update) : learningRate;
      decay(tensor.data, 1 - own * (options.weightDecay ?? 0));
      const table = { rows, data: tensor.data };
      adam.update(table, gradient, own);
      average?.update(table, adam.movedRows(gradient.rows), adam.rowSteps);
    }
  }

  /** Where the first number that is not finite is, in words; `undefined` where all are. */
  firstNotFinite(): string | undefined {
    for (const [name, { tensor, options, width }] of this.#slots) {
      const at = firstNotFinite(tensor.data);
      if (at < 0) continue;
      return options.update === "rows"
        ? `${name}, row ${Math.floor(at / width)}, holds ${tensor.data[at]}`
        : `${name} holds ${tensor.data[at]} at place ${at}`;
    }
    return undefined;
  }

  /** Numbers, averages and moments by their places in a checkpoint, sharing memory with this object. */
  tensors(): Record<string, TensorData> {
    const tensors: Record<string, TensorData> = {};
    for (const { place, tensor, adam, average, options } of this.#slots.values()) {
      const { shape } = tensor;
      const { first, second, rowSteps, steps } = adam.tensors();
      tensors[place] = tensor;
      if (average) tensors[`${place}.average`] = { shape, data: average.table.data };
      const moments = `${place}.${options.weightDecay === undefined ? "adam" : "adamw"}`;
      tensors[`${moments}.first`] = { shape, data: first.data };
      tensors[`${moments}.second`] = { shape, data: second.data };
      if (options.update === "rows") tensors[`${moments}.rowSteps`] = rowSteps;
      tensors[`${moments}.steps`] = steps;
    }
    return tensors;
  }

  /**
   * The tensors of {@link averaged} as a checkpoint has them.
   * @throws TrainingError where one is missing or of another shape
   */
  averagedIn(saved: Readonly<Record<string, TensorData>>, file: string): Record<string, TensorData<Float32Array>> {
    const wanted = Object.fromEntries(
      [...this.#slots].map(
        ([
          name,
          {
            tensor: { shape, data },
          },
        ]) => [name, { shape, data: new Float32Array(data.length) }],
      ),
    );
    const found = [...this.#slots].map(([name, { place, average }]) => [
      name,
      saved[average ? `${place}.average` : place],
    ]);
    copyTensors(Object.fromEntries(found.filter(([, tensor]) => tensor !== undefined)), wanted, file);
    return wanted;
  }

  /**
   * Copies saved tensors into numbers and moments.
   * @throws TrainingError where one is missing or of another shape; nothing is changed
   */
  restore(saved: Readonly<Record<string, TensorData>>, file: string): void {
    copyTensors(saved, this.tensors(), file);
    // A dense parameter is one row, which has had all the updates; its count is not saved twice.
    for (const { adam, options } of this.#slots.values())
      if (options.update !== "rows") adam.rowSteps[0] = adam.steps[0]!;
  }
}

/** A gradient as rows: a whole tensor is one row. */
export function asRows(gradient: Gradient): RowGradients {
  return gradient instanceof Float32Array ? { rows: Int32Array.of(0), data: gradient } : gradient;
}

function slotOf(name: string, options: ParameterOptions, seed: number): Slot {
  const { shape, update = "dense", weightDecay, averageDecay, adam, learningRate, l2 } = options;
  const size = shape.reduce((product, axis) => product * axis, 1);
  const data = options.data ?? new Float32Array(size);
  if (data.length !== size || (update === "rows" && shape.length === 0)) {
    throw new TrainingError(
      `parameter ${name}: found ${data.length} numbers, expected ${size} for [${shape.join(", ")}]`,
    );
  }
  for (const [what, value] of [
    ["weightDecay", weightDecay],
    ["l2.lambda", l2?.lambda],
  ] as const) {
    if (value !== undefined && !(value >= 0 && Number.isFinite(value)))
      throw new TrainingError(`${what}: found ${value}, expected a finite number of at least 0`);
  }
  if (l2?.towards && l2.towards.length !== size)
    throw new TrainingError(`parameter ${name}: found l2.towards of ${l2.towards.length} numbers, expected ${size}`);
  if (!options.data) options.initial?.(data, { name, shape, seed });
  const rows = update === "rows" ? shape[0]! : 1;
  const width = rows === 0 ? shape.slice(1).reduce((product, axis) => product * axis, 1) : size / rows;
  const dense = { ...adam, rows: "dense" as const };
  const averaged = averageDecay === undefined ? undefined : { rows, data: data.slice() };
  return {
    place: options.place ?? name,
    tensor: { shape, data },
    options: { ...options, update },
    rows,
    width,
    adam: new Adam(rows, width, update === "rows" ? adam : dense),
    rate: learningRate === undefined ? undefined : toSchedule(learningRate),
    average: averaged && new MovingAverage(averaged, width, averageDecay!),
  };
}

function decay(data: Float32Array, kept: number): void {
  if (kept === 1) return;
  for (let i = 0; i < data.length; i++) data[i] = data[i]! * kept;
}

function addL2(
  { tensor, width }: Slot,
  { rows, data: gradient }: RowGradients,
  { lambda, towards }: NonNullable<ParameterOptions["l2"]>,
): number {
  let value = 0;
  rows.forEach((row, r) => {
    for (let k = 0; k < width; k++) {
      const difference = tensor.data[row * width + k]! - (towards ? towards[row * width + k]! : 0);
      value += difference * difference;
      gradient[r * width + k]! += lambda * difference;
    }
  });
  return (lambda / 2) * value;
}
