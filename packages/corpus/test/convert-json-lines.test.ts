// JSON lines as Parquet and CSV: read back by DuckDB, number for number.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { CorpusError, convertJsonLines } from "@cllm4rec/corpus";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Engine } from "../src/duckdb/engine.js";
import { parquetOf } from "../src/duckdb/files.js";

let folder = "";
const at = (name: string) => path.join(folder, name);
beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-lines-"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

test("rows keep their order, texts their characters, and float32 numbers every bit", async () => {
  const numbers = Float32Array.of(0.1, -1 / 3, 1e-38, 16_777_216);
  const rows = [
    { item: 'a,"b"\n', vector: Array.from(numbers) },
    { item: "it's ü", vector: [] },
  ];
  fs.writeFileSync(at("[x].jsonl"), rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  const columns = { item: "VARCHAR", vector: "FLOAT[]" };
  await convertJsonLines(at("[x].jsonl"), at("it's.parquet"), { format: "parquet", columns });
  const engine = await Engine.open();
  const found = await engine.rows(`SELECT item, unnest(vector) AS number FROM ${parquetOf(at("it's.parquet"))}`);
  const [second] = await engine.rows(`SELECT item FROM ${parquetOf(at("it's.parquet"))} OFFSET 1`);
  engine.close();
  expect(found.map(({ number }) => number)).toEqual(Array.from(numbers));
  expect([found[0]!.item, second!.item]).toEqual(rows.map(({ item }) => item));
  const select = "item, vector[2] AS second";
  await convertJsonLines(at("[x].jsonl"), at("x.csv"), { format: "csv", columns, select });
  expect(fs.readFileSync(at("x.csv"), "utf8")).toBe('item,second\n"a,""b""\n",-0.33333334\nit\'s ü,\n');
});

test("a file that cannot be read or written is named", async () => {
  const options = { format: "csv", columns: { item: "VARCHAR" } } as const;
  await expect(convertJsonLines(at("none"), at("x.csv"), options)).rejects.toThrow(CorpusError);
  fs.writeFileSync(at("bad"), "{");
  await expect(convertJsonLines(at("bad"), at("y.csv"), options)).rejects.toThrow(/y\.csv: cannot be written as csv/);
});
