// Averages of tables whose rows are updated unevenly: each row's mean is over its own updates.
import type { EmbeddingTable } from "@cllm4rec/backbone";
import { Parameters } from "@cllm4rec/training";
import { initialTables, tableParameters, tablesOf } from "@cllm4rec/training/stage";
import { expect, it } from "vitest";

const width = 2;
const start = initialTables({ users: 3, items: 1, width, seed: 4, priorDeviation: 1 });

it("forgets the start of a row after a few updates of its own, however many the table had", () => {
  const optimiser = new Parameters(tableParameters(start, width, { averageDecay: 0.999 }));
  const [current, mean] = [optimiser.values, optimiser.averaged].map(
    (values) => tablesOf(values).collaborative.users,
  ) as [EmbeddingTable, EmbeddingTable];
  const row = ({ data }: EmbeddingTable, index: number) =>
    Array.from(data.subarray(index * width, (index + 1) * width));
  const expected = [row(mean, 0), row(mean, 1), row(mean, 2)];
  const steps = [0, 0, 0];
  for (let update = 1; update <= 100; update++) {
    const rows = update % 20 === 0 ? [0, 1] : [0]; // the first in every update, the second in five, the third in none
    const data = Float32Array.from({ length: rows.length * width }, (_, at) => Math.sin(update + at));
    optimiser.update({ "collaborative.users": { rows: Int32Array.from(rows), data } }, 0.1);
    for (const index of rows) {
      const n = ++steps[index]!;
      const decay = Math.min(0.999, (1 + n) / (10 + n));
      const [kept, fresh] = [Math.fround(decay), Math.fround(1 - decay)];
      expected[index] = expected[index]!.map((x, k) =>
        Math.fround(Math.fround(kept * x) + Math.fround(fresh * row(current, index)[k]!)),
      );
    }
  }
  expect(steps).toEqual([100, 5, 0]);
  for (const index of [0, 1, 2]) expect(row(mean, index)).toEqual(expected[index]);
  expect(row(mean, 1)).not.toEqual(row(current, 1));
});
