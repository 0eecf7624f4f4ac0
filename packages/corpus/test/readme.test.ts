// The README's examples run and print what the README promises.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, test } from "vitest";

const root = path.join(import.meta.dirname, "..");

test("the short example of the README", async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-readme-"));
  const rows = ["ann", "bob"].flatMap((user) =>
    ["kettle", "cup", "teapot"].map((item, k) => `${user},${item},5,${10 * k},"A good ${item}."`),
  );
  fs.writeFileSync(path.join(folder, "reviews.csv"), ["user,item,rating,timestamp,text", ...rows, ""].join("\n"));
  const before = process.cwd();
  process.chdir(folder);
  try {
    const { printed, promised } = await runReadmeExample(root);
    expect(promised.length).toBe(1);
    expect(printed).toEqual(promised);
  } finally {
    process.chdir(before);
    fs.rmSync(folder, { recursive: true });
  }
});

test.each([{ example: 1 }, { section: "## Interactions in memory" }, { section: "## Text features" }])(
  "the README's example %o",
  async (which) => {
    const { printed, promised } = await runReadmeExample(root, which);
    expect(promised.length).toBeGreaterThan(1);
    expect(printed).toEqual(promised);
  },
);
