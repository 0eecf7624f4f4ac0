// The committed set of hostile files, and some files mutated at random: scripts/hostile-files.mjs as its users run it.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

test("every kind of file is read, counted and named, or refused in one line", () => {
  const script = fileURLToPath(new URL("../scripts/hostile-files.mjs", import.meta.url));
  const { status, stdout, stderr } = spawnSync(process.execPath, [script, "--mutations", "20", "--seed", "7"], {
    encoding: "utf8",
  });
  expect(stderr).toBe("");
  expect(stdout.split("\n").filter((line) => line.startsWith("WRONG"))).toEqual([]);
  expect(stdout).toMatch(/^(\d+) kinds: .* 0 wrong$/m);
  expect(stdout).toMatch(/^20 mutated files: .* 0 wrong$/m);
  expect(status).toBe(0);
});
