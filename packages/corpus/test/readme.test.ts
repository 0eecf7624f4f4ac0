// The README's first example runs and prints what the README promises.
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, test } from "vitest";

test("the example of the README", async () => {
  const { printed, promised } = await runReadmeExample(path.join(import.meta.dirname, ".."));
  expect(promised.length).toBeGreaterThan(1);
  expect(printed).toEqual(promised);
});
