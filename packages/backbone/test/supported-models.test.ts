// The README's table of supported models is what the code says, and names every model_type that the parser takes.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseConfig, supportedModels } from "@cllm4rec/backbone";
import { expect, it } from "vitest";
// @ts-expect-error: a script without types
import { withTable } from "../scripts/supported-models.mjs";

const folder = path.join(path.dirname(fileURLToPath(import.meta.url)), "..");
const readme = fs.readFileSync(path.join(folder, "README.md"), "utf8");
const render = (text: string, models: object = supportedModels): string =>
  withTable(text, { supportedModels: models, parseConfig }, path.join(folder, "test", "fixtures", "models"));

it("the README's table is up to date: otherwise run `node scripts/supported-models.mjs`", () => {
  expect(readme).toBe(render(readme));
});

it("every model_type that the parser knows has a row, and no other", () => {
  const known = /expected one of (.+)$/.exec(String(catching(() => parseConfig({ model_type: "?" }))))![1]!.split(", ");
  expect(Object.keys(supportedModels).sort()).toEqual(known.sort());
  for (const type of known) expect(readme).toContain(`\n| \`${type}\` | `);
});

it("activations and RoPE scalings in it are those that the parser takes", () => {
  const row = (type: string) =>
    render(readme)
      .match(new RegExp(`^\\| \`${type}\` .*$`, "m"))![0]
      .split(" | ");
  expect(row("gpt2").slice(3, 5)).toEqual(["`relu`, `gelu`, `gelu_new`", "–"]);
  expect(row("qwen3").slice(3, 5)).toEqual(["`silu`", "plain, linear, llama3, yarn"]);
  expect(row("phi3")[4]).toBe("plain, longrope");
  expect(row("gemma3_text")[3]).toBe("`gelu_new`");
});

it("a model_type that no tiny model checks is an error", () => {
  expect(() => render(readme, { ...supportedModels, new: { knownFrom: "", supported: "", refused: "" } })).toThrow(
    /no tiny model of model_type new/,
  );
});

function catching(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  return undefined;
}
