// The README's example runs and prints what the README says; the files that it shows are those of the example, within
// 120 lines.
import fs from "node:fs";
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it } from "vitest";

const directory = path.join(import.meta.dirname, "..");

it("prints what the README promises", async () => {
  const { printed, promised } = await runReadmeExample(directory);
  expect(printed).toEqual(promised);
  expect(printed.length).toBeGreaterThan(3);
});

it("shows the example's files as they are, in no more than 120 lines", () => {
  const readme = fs.readFileSync(path.join(directory, "README.md"), "utf8");
  const shown = [...readme.matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code);
  const files = ["graph.mjs", "task.mjs"].map((name) =>
    fs.readFileSync(path.join(directory, "examples", "multi-vae", name), "utf8"),
  );
  expect(shown).toEqual(files);
  expect(files.join("").split("\n").length).toBeLessThanOrEqual(120);
});
