// The tables that a stage is given, checked before it begins: sizes of the model, and finite numbers.
import type { SoftTables } from "@cllm4rec/backbone";
import { TrainingError } from "../error.js";
import { firstNotFinite } from "./finite.js";
import type { TokenTables } from "./tables.js";

/**
 * @throws TrainingError naming the table and, for a number that is not finite, the row
 * @param sizes of the model: users I, items J, width K
 */
export function checkTables(
  { textMap, ...sides }: TokenTables,
  { users, items, width }: { readonly users: number; readonly items: number; readonly width: number },
): void {
  const rows = { users, items };
  if (textMap) checkNumbers("tables: textMap", textMap.data, textMap.rows, width);
  for (const [side, soft] of Object.entries(sides) as [string, SoftTables | undefined][]) {
    if (!soft) continue;
    for (const kind of ["users", "items"] as const) {
      const { data, rows: found } = soft[kind];
      const name = `tables: ${side}.${kind}`;
      if (found !== rows[kind] || data.length !== rows[kind] * width) {
        throw new TrainingError(
          `${name}: found ${found} rows (${data.length} numbers), expected ${rows[kind]} of width ${width}`,
        );
      }
      checkNumbers(name, data, found, width);
    }
    if (soft.skipGain) checkNumbers(`tables: ${side}.skipGain`, soft.skipGain, 1, width);
  }
}

function checkNumbers(name: string, data: Float32Array, rows: number, width: number): void {
  if (data.length !== rows * width)
    throw new TrainingError(`${name}: found ${data.length} numbers, expected ${rows} rows of width ${width}`);
  const at = firstNotFinite(data);
  if (at >= 0)
    throw new TrainingError(`${name}, row ${Math.floor(at / width)}: found ${data[at]}, expected finite numbers`);
}
