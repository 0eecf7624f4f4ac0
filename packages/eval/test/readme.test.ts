// The README's example runs and prints what the README says.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";

const directory = path.resolve(fileURLToPath(import.meta.url), "../..");

it("prints what the README promises", async () => {
  const { printed, promised } = await runReadmeExample(directory, { example: 1 });
  expect(printed).toEqual(promised);
  expect(printed.length).toBeGreaterThan(3);
});

it("runs the short example", async () => {
  const { printed, promised } = await runReadmeExample(directory);
  expect(printed).toEqual(promised);
});
