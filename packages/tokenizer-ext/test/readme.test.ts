// The README's example runs and prints what the README says it prints.
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";

it("README example", async () => {
  const { printed, promised } = await runReadmeExample(fileURLToPath(new URL("..", import.meta.url)));
  expect(promised.length).toBeGreaterThan(0);
  expect(printed).toEqual(promised);
});
