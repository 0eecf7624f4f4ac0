// The README's examples run, on tiny models, and print what the README says they print.
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it, vi } from "vitest";
import { modelDirectory, modelOpener } from "./goldens.js";

const { folder } = modelOpener();

it.each([
  ["README example", "llama-gqa", {}],
  ["README's longer example", "llama-gqa", { example: 1 }],
  ["README example of text encoders", "encoder-bert", { section: "## Text encoders" }],
])("%s", async (_, model, which) => {
  vi.stubEnv("MODEL", modelDirectory(model));
  vi.stubEnv("XDG_CACHE_HOME", folder);
  const { printed, promised } = await runReadmeExample(fileURLToPath(new URL("..", import.meta.url)), which);
  expect(promised.length).toBeGreaterThan(0);
  expect(printed).toEqual(promised);
  vi.unstubAllEnvs();
});
