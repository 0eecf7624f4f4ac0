// The README's example runs and prints what it promises; its operator table is what the code says.
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import { differentiableOperatorNames, operatorNames } from "@cllm4rec/onnx-grad";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, test } from "vitest";
import { findOperator } from "../src/operators/table.js";
import { noDouble } from "./support/cases.js";

const directory = fileURLToPath(new URL("..", import.meta.url));
const file = `${directory}/README.md`;

test.each([0, 1])("example %i prints what the README promises", async (example) => {
  const { printed, promised } = await runReadmeExample(directory, { example });
  expect(printed).toEqual(promised);
});

test("the operator table is current", () => {
  const differentiable = new Set(differentiableOperatorNames());
  const list = (keep: (name: string) => boolean) =>
    operatorNames()
      .filter(keep)
      .sort()
      .map((name) => `\`${name}\`${findOperator(name)!.domain === "" ? "" : " (onnxruntime's own)"}`)
      .join(", ");
  const rows = [
    ["differentiable", list((name) => differentiable.has(name) && !noDouble.has(name))],
    [
      "differentiable, in float32 only (onnxruntime's CPU engine has no float64)",
      list((name) => differentiable.has(name) && noDouble.has(name)),
    ],
    [
      "nothing flows back (integers, comparisons, positions, steps)",
      list((name) => findOperator(name)!.gradient === "none"),
    ],
    ["no gradient rule", list((name) => findOperator(name)!.gradient === undefined)],
  ].filter(([, operators]) => operators !== "");
  const table = ["| gradient | operators |", "| --- | --- |", ...rows.map((row) => `| ${row.join(" | ")} |`)].join(
    "\n",
  );
  const readme = fs.readFileSync(file, "utf8");
  const current = readme.replace(/(<!-- operators: [^\n]* -->\n)[\s\S]*?(<!-- \/operators -->)/, `$1${table}\n$2`);
  if (process.env.UPDATE_README) fs.writeFileSync(file, current);
  else expect(readme).toBe(current);
});
