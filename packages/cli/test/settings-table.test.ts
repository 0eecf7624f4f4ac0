// The README's table of settings is what the schema says. `npx vitest run test/settings-table.test.ts -u` writes it
// anew.
import path from "node:path";
import { expectSettingsTable } from "@cllm4rec/testing";
import { describeSettings } from "@cllm4rec/training/stage";
import { it } from "vitest";
import { generalSchema } from "../src/settings/config.js";

it("is up to date", () =>
  expectSettingsTable(path.join(import.meta.dirname, ".."), "run", describeSettings(generalSchema)));
