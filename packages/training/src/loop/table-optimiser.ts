// The tables of a run with an Adam each, and both as named tensors for a checkpoint.
import type { EmbeddingTable, RowGradients, TensorData } from "@cllm4rec/backbone";
import { copyTensors } from "../checkpoint/copy-tensors.js";
import { TrainingError } from "../error.js";
import { Adam, type AdamOptions } from "../optimiser/adam.js";
import { copyTables, type Side, type TokenTables } from "../tables/tables.js";
import { MovingAverage } from "./moving-average.js";

// Shape legend: R rows of a table, K width.

const KINDS = ["users", "items"] as const;
const SIDES = ["collaborative", "content"] as const;

interface Slot {
  readonly name: string;
  readonly table: EmbeddingTable;
  readonly adam: Adam;
  /** The running mean of the table over its updates, where one is kept. */
  readonly average?: MovingAverage;
}

export interface TableOptimiserOptions {
  readonly adam?: AdamOptions;
  /**
   * Keeps an exponential moving average of the tables beside them (Polyak and Juditsky 1992): after an update of a row,
   * average ← decay·average + (1 − decay)·row, with a smaller decay in the row's first updates. Absent: none.
   */
  readonly averageDecay?: number;
}

/** Owns the tables it is given: they are changed in place. */
export class TableOptimiser {
  /** The moving averages, where they are kept, else the tables themselves: what a model is to be judged and published by. */
  readonly averaged: TokenTables;
  private readonly slots = new Map<string, Slot>();

  /** @throws TrainingError for rates that make no sense */
  constructor(
    readonly tables: TokenTables,
    readonly width: number,
    { adam, averageDecay }: TableOptimiserOptions = {},
  ) {
    const averaged = averageDecay === undefined ? tables : copyTables(tables);
    this.averaged = averaged;
    for (const side of SIDES) {
      const [soft, means] = [tables[side], averaged[side]];
      if (!soft || !means) continue;
      for (const kind of KINDS) {
        const table = soft[kind];
        const name = `${side}.${kind}`;
        this.slots.set(name, {
          name,
          table,
          adam: new Adam(table.rows, width, adam),
          ...(averageDecay !== undefined && { average: new MovingAverage(means[kind], width, averageDecay) }),
        });
      }
    }
  }

  /** One update of one side's users or items. */
  update(side: Side, kind: "users" | "items", gradient: RowGradients, learningRate: number): void {
    const slot = this.slots.get(`${side}.${kind}`);
    if (!slot) throw new TrainingError(`there are no ${side} tables in this run`);
    slot.adam.update(slot.table, gradient, learningRate);
    slot.average?.update(slot.table, gradient.rows, slot.adam.rowSteps);
  }

  /** Tables and moments by name, sharing memory with this object. */
  tensors(): Record<string, TensorData> {
    const tensors: Record<string, TensorData> = {};
    for (const { name, table, adam, average } of this.slots.values()) {
      tensors[name] = { shape: [table.rows, this.width], data: table.data };
      if (average) tensors[`${name}.average`] = { shape: [table.rows, this.width], data: average.table.data };
      for (const [part, tensor] of Object.entries(adam.tensors())) tensors[`${name}.adam.${part}`] = tensor;
    }
    return tensors;
  }

  /** Copies saved tensors into tables and moments. @throws TrainingError where a tensor is missing or of another shape; nothing is changed */
  restore(saved: Readonly<Record<string, TensorData>>, file: string): void {
    copyTensors(saved, this.tensors(), file);
  }
}
