// The README's example runs, on a tiny model, and prints what the README says it prints.
import { fileURLToPath } from "node:url";
import { runReadmeExample } from "@cllm4rec/testing";
import { expect, it, vi } from "vitest";
import { modelDirectory, modelOpener } from "./goldens.js";

const { folder } = modelOpener();

it.each([0, 1])("README example %i", async (example) => {
  vi.stubEnv("MODEL", modelDirectory("llama-gqa"));
  vi.stubEnv("XDG_CACHE_HOME", folder);
  const { printed, promised } = await runReadmeExample(fileURLToPath(new URL("..", import.meta.url)), example);
  expect(promised.length).toBeGreaterThan(0);
  expect(printed).toEqual(promised);
  vi.unstubAllEnvs();
});
