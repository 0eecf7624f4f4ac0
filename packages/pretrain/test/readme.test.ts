// The README's example runs and prints what the README says.
import path from "node:path";
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";

it("prints what the README promises", async () => {
  const { printed, promised } = await runReadmeExample(path.resolve(fileURLToPath(import.meta.url), "../.."));
  expect(printed).toEqual(promised);
  expect(printed.length).toBeGreaterThan(3);
});
