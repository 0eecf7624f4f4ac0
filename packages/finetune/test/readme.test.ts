// The README's example runs beside the bookshop's dataset and backbone, and prints what the README says.
import fs from "node:fs";
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";
import { temporaryFolder } from "./helpers.js";

it("prints what the README promises", async () => {
  const root = process.cwd();
  const folder = temporaryFolder();
  const fixtures = path.join(import.meta.dirname, "../../recommend/test/fixtures");
  for (const name of ["data", "backbone"])
    fs.cpSync(path.join(fixtures, name), path.join(folder, name), { recursive: true });
  process.chdir(folder);
  try {
    const { printed, promised } = await runReadmeExample(root);
    expect(printed).toEqual(promised);
    expect(printed.length).toBeGreaterThan(3);
  } finally {
    process.chdir(root);
  }
});
