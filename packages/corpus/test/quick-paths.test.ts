// Shortcuts that must change nothing: numbers of Parquet files without a way through text, lines without quotes counted
// at once.
import path from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Engine, literal } from "../src/duckdb/engine.js";
import { CsvScanner } from "../src/readers/csv-scan.js";
import { prepared, temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();

test("Parquet: typed ratings and times are judged as their text is", async () => {
  const engine = await Engine.open();
  const rows =
    "(VALUES (1, 'a', 5, 20), (1, 'b', 4, 10), (1, 'c', 3, 30), (2, 'a', NULL, NULL), (2, 'b', 9, 5)) t(u, item, " +
    "r, t)";
  const write = async (name: string, columns: string) => {
    const file = path.join(folder.path, name);
    await engine.run(`COPY (SELECT u AS user, item, ${columns} FROM ${rows}) TO ${literal(file)} (FORMAT parquet)`);
    return file;
  };
  const files = [
    await write("text.parquet", "CASE r WHEN 9 THEN 'nan' ELSE r::VARCHAR END AS rating, t::VARCHAR AS timestamp"),
    await write("double.parquet", "CASE r WHEN 9 THEN 'nan'::DOUBLE ELSE r END AS rating, t::BIGINT AS timestamp"),
    await write("float.parquet", "CASE r WHEN 9 THEN 'nan'::FLOAT ELSE r END AS rating, t::UTINYINT AS timestamp"),
  ];
  engine.close();
  for (const input of files) {
    const { manifest, histories, events } = await prepared(folder, {
      inputs: [input],
      minRating: 3,
      maxMalformed: 0.5,
    });
    expect(manifest.records).toMatchObject({ records: 5, malformed: 1, belowRating: 1, withoutRating: 1, kept: 2 });
    expect(histories).toEqual({ 1: ["b", "a"] });
    expect(events.find(({ type }) => type === "malformed")).toMatchObject({
      place: "row 5",
      reason: "has a rating that is not a number",
    });
  }
});

test("ids of white space are none, whichever it is", async () => {
  const csv = folder.write("ids.csv", "user,item\nu,a\n ,b\n\u00a0,c\nu, \nü,d\n~,e\n");
  const { manifest, histories } = await prepared(folder, { inputs: [csv], maxMalformed: 1 });
  expect(manifest.records).toMatchObject({ records: 6, malformed: 3 });
  expect(histories).toEqual({ u: ["a"], ü: ["d"], "~": ["e"] });
});

test("lines without quotes: as many as are not empty, however the file comes in blocks", () => {
  const piece = fc.constantFrom("a", ",", "\n", "\r\n", "\r", "ü");
  const text = fc.array(piece, { maxLength: 60 }).map((pieces) => pieces.join(""));
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 20 }), (content, size) => {
      const scanner = new CsvScanner({ delimiter: ",", quote: "double" }, () => true, "utf8");
      const bytes = Buffer.from(content);
      for (let at = 0; at < bytes.length; at += size) scanner.push(bytes.subarray(at, at + size));
      const filled = content.split("\n").filter((line) => line.replace(/\r$/, "") !== "");
      expect(scanner.end()).toEqual({ sound: true, records: filled.length });
    }),
  );
});
