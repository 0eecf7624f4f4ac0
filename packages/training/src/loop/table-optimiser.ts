// The tables of a run with an Adam each, and both as named tensors for a checkpoint.
import type { EmbeddingTable, TensorData } from "@cllm4rec/backbone";
import { float32 } from "../checkpoint/read-tensors.js";
import { TrainingError } from "../error.js";
import { Adam, type AdamOptions } from "../optimiser/adam.js";
import type { Side, TokenTables } from "../tables/tables.js";

// Shape legend: R rows of a table, K width.

const KINDS = ["users", "items"] as const;
const SIDES = ["collaborative", "content"] as const;

interface Slot {
  readonly name: string;
  readonly table: EmbeddingTable;
  readonly adam: Adam;
}

/** Owns the tables it is given: they are changed in place. */
export class TableOptimiser {
  private readonly slots = new Map<string, Slot>();

  constructor(
    readonly tables: TokenTables,
    readonly width: number,
    options: AdamOptions = {},
  ) {
    for (const side of SIDES) {
      const soft = tables[side];
      if (!soft) continue;
      for (const kind of KINDS) {
        const table = soft[kind];
        const name = `${side}.${kind}`;
        this.slots.set(name, { name, table, adam: new Adam(table.rows, width, options) });
      }
    }
  }

  /** The table and the optimiser of one side's users or items. */
  slot(side: Side, kind: "users" | "items"): Slot {
    const slot = this.slots.get(`${side}.${kind}`);
    if (!slot) throw new TrainingError(`there are no ${side} tables in this run`);
    return slot;
  }

  /** Tables and moments by name, sharing memory with this object. */
  tensors(): Record<string, TensorData> {
    const tensors: Record<string, TensorData> = {};
    for (const { name, table, adam } of this.slots.values()) {
      tensors[name] = { shape: [table.rows, this.width], data: table.data };
      for (const [part, tensor] of Object.entries(adam.tensors())) tensors[`${name}.adam.${part}`] = tensor;
    }
    return tensors;
  }

  /** Copies saved tensors into tables and moments. @throws TrainingError where a tensor is missing or of another shape; nothing is changed */
  restore(saved: Readonly<Record<string, TensorData>>, file: string): void {
    const copies: (() => void)[] = [];
    for (const [name, { shape, data }] of Object.entries(this.tensors())) {
      if (data instanceof Float32Array) {
        const found = float32(file, saved, name, shape);
        copies.push(() => data.set(found.data));
      } else if (data instanceof Int32Array) {
        const found = saved[name]?.data;
        if (!(found instanceof Int32Array) || found.length !== data.length) {
          throw new TrainingError(`${file}: tensor ${name} is missing or does not have ${data.length} int32 numbers`);
        }
        copies.push(() => data.set(found));
      }
    }
    for (const copy of copies) copy();
  }
}
