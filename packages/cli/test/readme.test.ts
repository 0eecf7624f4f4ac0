// The README's example runs and prints what the README promises; so do the keys that it calls stable.
import fs from "node:fs";
import path from "node:path";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, test } from "vitest";

const directory = path.join(import.meta.dirname, "..");

test("the example of the README", async () => {
  const { printed, promised } = await runReadmeExample(directory);
  expect(promised).toHaveLength(1);
  expect(printed).toEqual(promised);
});

test("the stable keys are those of the contract, in its order", () => {
  const [, json = ""] = /```json\n(.*)\n```/.exec(fs.readFileSync(path.join(directory, "README.md"), "utf8")) ?? [];
  expect(Object.keys(JSON.parse(json))).toEqual(
    "users items interactions train validation test records malformed duplicates".split(" "),
  );
});
