// Invariants over random inputs: sparse arithmetic against dense twins, Adam's policies where they must agree, logs cut
// at any byte.
import fs from "node:fs";
import path from "node:path";
import { Adam, jsonLinesLog, type RowPolicy } from "@cllm4rec/training";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { withRows } from "../src/gradients/row-gradients.js";
import { countOccurrences } from "../src/objective/occurrences.js";
import { addPenalty } from "../src/objective/regulariser.js";
import { temporaryFolder } from "./helpers.js";

const WIDTH = 3;
const ROWS = 8;
const float = fc.float({ noNaN: true, min: -100, max: 100 });
const floats = (length: number) =>
  fc.array(float, { minLength: length, maxLength: length }).map((numbers) => Float32Array.from(numbers));
const someRows = fc.uniqueArray(fc.nat(ROWS - 1)).map((rows) => Int32Array.from(rows).sort());
const gradient = someRows.chain((rows) => floats(rows.length * WIDTH).map((data) => ({ rows, data })));

function dense({ rows, data }: { rows: Int32Array; data: Float32Array }): Float32Array {
  const all = new Float32Array(ROWS * WIDTH);
  rows.forEach((row, r) => {
    all.set(data.subarray(r * WIDTH, (r + 1) * WIDTH), row * WIDTH);
  });
  return all;
}

describe("sparse rows", () => {
  it("with rows added are the same dense gradient, with all rows asked for, ascending", () => {
    fc.assert(
      fc.property(gradient, someRows, (g, rows) => {
        const sum = withRows(g, rows, WIDTH);
        expect(dense(sum)).toEqual(dense(g));
        expect([...sum.rows]).toEqual([...new Set([...g.rows, ...rows])].sort((a, b) => a - b));
      }),
    );
  });

  it("are penalised as the dense formula says", () => {
    const counts = fc.array(fc.nat(3), { minLength: ROWS, maxLength: ROWS });
    fc.assert(
      fc.property(
        gradient,
        floats(ROWS * WIDTH),
        floats(ROWS * WIDTH),
        counts,
        fc.double({ min: 0.1, max: 5, noNaN: true }),
        (g, z, centre, counts, weight) => {
          const rows = Int32Array.from(counts.keys()).filter((row) => counts[row]! > 0);
          const occurrences = { rows, counts: rows.map((row) => counts[row]!) };
          const before = dense(g);
          const { value, gradient: sum } = addPenalty(
            g,
            { rows: ROWS, data: z },
            { rows: ROWS, data: centre },
            occurrences,
            weight,
            WIDTH,
          );
          let expected = 0;
          const slopes = before.map((slope, i) => {
            const difference = z[i]! - centre[i]!;
            const count = counts[Math.floor(i / WIDTH)]!;
            expected += (weight / 2) * count * difference * difference;
            return slope + weight * count * difference;
          });
          expect(value).toBeCloseTo(expected, 6);
          dense(sum).forEach((slope, i) => {
            expect(Math.abs(slope - slopes[i]!)).toBeLessThanOrEqual(1e-5 * (1 + Math.abs(slopes[i]!)));
          });
        },
      ),
    );
  });

  it("are counted as a plain search in every document counts them", () => {
    const sizes = { words: 4, users: 3, items: 5 };
    const id = fc.nat(sizes.words + sizes.users + sizes.items - 1);
    const document = fc.record({ ids: fc.array(id), heldOut: fc.array(fc.nat(sizes.items - 1)) });
    fc.assert(
      fc.property(fc.array(document), (documents) => {
        const { users, items } = countOccurrences(documents, sizes);
        const found = new Map([
          ...[...users.rows].map((row, r) => [sizes.words + row, users.counts[r]!] as const),
          ...[...items.rows].map((row, r) => [sizes.words + sizes.users + row, items.counts[r]!] as const),
        ]);
        for (let token = sizes.words; token < sizes.words + sizes.users + sizes.items; token++) {
          const asItem = token - sizes.words - sizes.users;
          const count = documents.filter(({ ids, heldOut }) => ids.includes(token) || heldOut.includes(asItem)).length;
          expect(found.get(token) ?? 0).toBe(count);
        }
      }),
    );
  });
});

describe("Adam", () => {
  const run = (policy: RowPolicy, gradients: readonly { rows: Int32Array; data: Float32Array }[]) => {
    const table = { rows: ROWS, data: Float32Array.from({ length: ROWS * WIDTH }, (_, i) => Math.sin(i)) };
    const adam = new Adam(ROWS, WIDTH, { rows: policy });
    for (const g of gradients) adam.update(table, g, 0.01);
    return table.data;
  };

  it("lazy and dense are the same bits where every gradient has every row", () => {
    const full = floats(ROWS * WIDTH).map((data) => ({ rows: Int32Array.from(Array(ROWS).keys()), data }));
    fc.assert(
      fc.property(fc.array(full, { maxLength: 5 }), (gradients) => {
        expect(run("lazy", gradients)).toEqual(run("dense", gradients));
      }),
    );
  });

  it("lazy rows do not depend on what other rows there are in a gradient, or when", () => {
    fc.assert(
      fc.property(fc.array(gradient, { maxLength: 8 }), fc.nat(ROWS - 1), (gradients, row) => {
        const alone = gradients.flatMap(({ rows, data }) => {
          const r = rows.indexOf(row);
          return r < 0 ? [] : [{ rows: Int32Array.of(row), data: data.slice(r * WIDTH, (r + 1) * WIDTH) }];
        });
        const ofRow = (data: Float32Array) => data.slice(row * WIDTH, (row + 1) * WIDTH);
        expect(ofRow(run("lazy", gradients))).toEqual(ofRow(run("lazy", alone)));
      }),
    );
  });
});

describe("jsonLinesLog", () => {
  it("is left with whole lines alone, wherever the file was cut", () => {
    const file = path.join(temporaryFolder(), "events.jsonl");
    const open = () => jsonLinesLog(file, () => 0);
    const log = open();
    for (let update = 0; update < 5; update++)
      log.write({ type: "notice", stage: "ü", code: "n", message: "x".repeat(update * 7) });
    log.close();
    const whole = fs.readFileSync(file);
    fc.assert(
      fc.property(fc.nat(whole.length), (cut) => {
        fs.writeFileSync(file, whole.subarray(0, cut));
        open().close();
        const kept = fs.readFileSync(file, "utf8");
        const lines = kept.split("\n").slice(0, -1);
        expect(kept === "" || kept.endsWith("\n")).toBe(true);
        expect(lines.map((line) => JSON.parse(line).type)).toEqual(
          Array(whole.subarray(0, cut).toString("latin1").split("\n").length - 1).fill("notice"),
        );
      }),
    );
  });
});
