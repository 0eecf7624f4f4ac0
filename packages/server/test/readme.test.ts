// The README's example runs beside the bookshop's model and prints what the README says.
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";
import { bookshop } from "./helpers.js";

it("prints what the README promises", async () => {
  const root = process.cwd();
  process.chdir(path.dirname(bookshop.model));
  try {
    const { printed, promised } = await runReadmeExample(root);
    expect(printed).toEqual(promised);
    expect(printed.length).toBeGreaterThan(1);
  } finally {
    process.chdir(root);
  }
});
