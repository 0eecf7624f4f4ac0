// The README's examples run and print what the README says.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";

const root = path.resolve(fileURLToPath(import.meta.url), "../..");

it("trains on interactions alone, in the bookshop", async () => {
  process.chdir(path.join(root, "../recommend/test/fixtures"));
  try {
    const { printed, promised } = await runReadmeExample(root);
    expect(printed).toEqual(promised);
    expect(printed).toHaveLength(1);
  } finally {
    process.chdir(root);
  }
});

it("trains on interactions and texts", async () => {
  const { printed, promised } = await runReadmeExample(root, { section: "## With texts" });
  expect(printed).toEqual(promised);
  expect(printed.length).toBeGreaterThan(3);
});
