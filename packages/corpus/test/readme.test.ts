// The README's examples run and print what the README promises.
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, test } from "vitest";

test.each(["", "## Text features"])("the example of the README %s", async (section) => {
  const { printed, promised } = await runReadmeExample(path.join(import.meta.dirname, ".."), section);
  expect(promised.length).toBeGreaterThan(1);
  expect(printed).toEqual(promised);
});
