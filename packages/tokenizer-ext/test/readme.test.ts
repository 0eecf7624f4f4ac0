// The README's example runs and prints what the README says it prints.
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";

it.each([0, 1])("README example %i", async (example) => {
  const { printed, promised } = await runReadmeExample(fileURLToPath(new URL("..", import.meta.url)), { example });
  expect(promised.length).toBeGreaterThan(0);
  expect(printed).toEqual(promised);
});
