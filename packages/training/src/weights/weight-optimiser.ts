// AdamW over all weights of a language model: Adam with decoupled weight decay (Loshchilov and Hutter 2019, algorithm 2).
import type { RowGradients, TensorData } from "@cllm4rec/backbone";
import { copyTensors } from "../checkpoint/copy-tensors.js";
import { TrainingError } from "../error.js";
import { Adam, type AdamOptions } from "../optimiser/adam.js";

export interface AdamWOptions extends Omit<AdamOptions, "rows"> {
  /** λ: before each step of rate η, a weight is multiplied by 1 − η·λ. Default 0.01, as in torch.optim.AdamW. */
  readonly weightDecay?: number;
  /** Which weights decay. Default: those of two dimensions and more, so neither biases nor norms. */
  readonly decays?: (name: string, shape: readonly number[]) => boolean;
}

interface Slot {
  readonly tensor: TensorData<Float32Array>;
  readonly adam: Adam;
  readonly decay: number;
}

/** Changes the weights that it is given in place; elementwise `torch.optim.AdamW`. */
export class WeightOptimiser {
  private readonly slots: ReadonlyMap<string, Slot>;
  /** What decides its steps, in plain data. */
  readonly settings: {
    readonly beta1: number;
    readonly beta2: number;
    readonly epsilon: number;
    readonly decay: string;
  };

  /**
   * @param weights by name, e.g. those of a `TrainableBackbone`
   * @throws TrainingError for a decay below 0, and for rates that Adam refuses
   */
  constructor(
    weights: ReadonlyMap<string, TensorData<Float32Array>>,
    {
      weightDecay = 0.01,
      decays = (_, shape) => shape.length > 1,
      beta1 = 0.9,
      beta2 = 0.999,
      epsilon = 1e-8,
    }: AdamWOptions = {},
  ) {
    if (!(weightDecay >= 0 && Number.isFinite(weightDecay)))
      throw new TrainingError(`weightDecay: found ${weightDecay}, expected a finite number of at least 0`);
    this.slots = new Map(
      [...weights].map(([name, tensor]) => [
        name,
        {
          tensor,
          adam: new Adam(1, tensor.data.length, { beta1, beta2, epsilon, rows: "dense" }),
          decay: decays(name, tensor.shape) ? weightDecay : 0,
        },
      ]),
    );
    const decaying = [...this.slots].filter(([, { decay }]) => decay > 0).map(([name]) => name);
    this.settings = { beta1, beta2, epsilon, decay: `${weightDecay} on ${decaying.join(" ")}` };
  }

  /**
   * One step. Weights without a gradient stand still, as parameters without `grad` do in PyTorch.
   * @throws TrainingError for a gradient of a weight that it does not have, or of another size; nothing is changed
   */
  update(gradients: Readonly<Record<string, Float32Array>>, learningRate: number): void {
    const steps = Object.entries(gradients).map(([name, data]) => {
      const slot = this.slots.get(name);
      if (slot?.tensor.data.length !== data.length) {
        throw new TrainingError(
          `gradient of ${name}: found ${data.length} numbers, expected ${slot ? slot.tensor.data.length : "a weight of this model"}`,
        );
      }
      return { slot, data };
    });
    for (const { slot, data } of steps) {
      const { tensor, adam, decay } = slot;
      const kept = 1 - learningRate * decay;
      if (decay > 0) for (let i = 0; i < tensor.data.length; i++) tensor.data[i] = tensor.data[i]! * kept;
      adam.update({ rows: 1, data: tensor.data }, wholeRow(data), learningRate);
    }
  }

  /** Weights and moments by name, sharing memory with this object and the model. */
  tensors(): Record<string, TensorData> {
    const tensors: Record<string, TensorData> = {};
    for (const [name, { tensor, adam }] of this.slots) {
      const { first, second, steps } = adam.tensors();
      tensors[name] = tensor;
      tensors[`${name}.adamw.first`] = { shape: tensor.shape, data: first.data };
      tensors[`${name}.adamw.second`] = { shape: tensor.shape, data: second.data };
      tensors[`${name}.adamw.steps`] = steps;
    }
    return tensors;
  }

  /** Copies saved tensors into weights and moments. @throws TrainingError where one is missing or of another shape; nothing is changed */
  restore(saved: Readonly<Record<string, TensorData>>, file: string): void {
    copyTensors(saved, this.tensors(), file);
  }
}

/** A gradient of a whole weight as one row, which is how `Adam` and the arithmetic on gradients see it. */
export function wholeRow(data: Float32Array): RowGradients {
  return { rows: Int32Array.of(0), data };
}
