// The embedding tables of users and items as named parameters, `collaborative.users` and so on, and back.
import type { EmbeddingTable, TensorData } from "@cllm4rec/backbone";
import type { AdamOptions } from "../optimiser/adam.js";
import type { LearningRate, Schedule } from "../optimiser/schedule.js";
import type { Side, TokenTables } from "../tables/tables.js";
import type { ParameterOptions } from "./parameters.js";

// Shape legend: I users, J items, K width.

const KINDS = ["users", "items"] as const;
const SIDES = ["collaborative", "content"] as const;

/** How tables are updated. */
export interface TableParameterOptions {
  readonly adam?: AdamOptions | undefined;
  readonly averageDecay?: number | undefined;
  /** Default: the task's. */
  readonly learningRate?: number | LearningRate | Schedule | undefined;
  /** Of the text map; default: the task's. */
  readonly textMapLearningRate?: number | LearningRate | Schedule | undefined;
  /** In front of the names in checkpoints; default nothing. */
  readonly prefix?: string;
}

/** Name of a table: `collaborative.users` [I, K], `content.items` [J, K], … */
export const tableName = (side: Side, kind: "users" | "items") => `${side}.${kind}` as const;

/** W of the text map, [F, K]. */
export const TEXT_MAP = "textMap.items";
/** g of a side's skip path, [K]. */
export const gainName = (side: Side) => `${side}.skipGain` as const;

/** Parameters that share memory with the tables: embeddings updated by rows, the text map and gains as a whole. */
export function tableParameters(
  tables: TokenTables,
  width: number,
  { adam, averageDecay, learningRate, textMapLearningRate, prefix = "" }: TableParameterOptions = {},
): Record<string, ParameterOptions> {
  const parameters: Record<string, ParameterOptions> = {};
  const whole = (name: string, shape: readonly number[], data: Float32Array, rate = learningRate) => {
    const own = { averageDecay, ...(adam && { adam }), ...(rate !== undefined && { learningRate: rate }) };
    parameters[name] = { shape, data, place: `${prefix}${name}`, ...own };
  };
  for (const side of SIDES) {
    const soft = tables[side];
    if (!soft) continue;
    for (const kind of KINDS) {
      const name = tableName(side, kind);
      parameters[name] = {
        shape: [soft[kind].rows, width],
        data: soft[kind].data,
        update: "rows",
        place: `${prefix}${name}`,
        averageDecay,
        ...(adam && { adam }),
        ...(learningRate !== undefined && { learningRate }),
      };
    }
    if (soft.skipGain) whole(gainName(side), [width], soft.skipGain);
  }
  if (tables.textMap)
    whole(TEXT_MAP, [tables.textMap.rows, width], tables.textMap.data, textMapLearningRate ?? learningRate);
  return parameters;
}

/** The tables among named values, sharing memory with them. */
export function tablesOf(values: Readonly<Record<string, TensorData<Float32Array>>>): TokenTables {
  const table = (side: Side, kind: (typeof KINDS)[number]): EmbeddingTable => {
    const { shape, data } = values[tableName(side, kind)]!;
    return { rows: shape[0]!, data };
  };
  const soft = (side: Side) => {
    const gain = values[gainName(side)];
    return { users: table(side, "users"), items: table(side, "items"), ...(gain && { skipGain: gain.data }) };
  };
  const textMap = values[TEXT_MAP];
  return {
    collaborative: soft("collaborative"),
    ...("content.users" in values && { content: soft("content") }),
    ...(textMap && { textMap: { rows: textMap.shape[0]!, data: textMap.data } }),
  };
}
