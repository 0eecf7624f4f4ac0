// `cllm4rec demo` as a user runs it.
import { execFile } from "node:child_process";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const bin = path.join(path.dirname(fileURLToPath(import.meta.url)), "../dist/bin.js");

test("the demo learns, leaves the backbone as it was and prints one JSON object", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [bin, "demo", "--json"]);
  const result = JSON.parse(stdout) as Record<string, number | boolean>;
  expect(result.lossBefore).toBeGreaterThan(Math.log(160) - 0.5);
  expect(result.lossAfter).toBeLessThan(0.7 * (result.lossBefore as number));
  expect(result.frozen).toBe(true);
  expect(result.tokensPerSecond).toBeGreaterThan(0);
  expect(result.matmulGflops).toBeGreaterThan(0);
}, 180_000);

test("a backbone that is not there is one error that names it", async () => {
  const missing = path.join(path.dirname(bin), "no-such-model");
  await expect(promisify(execFile)(process.execPath, [bin, "demo", "--backbone", missing])).rejects.toMatchObject({
    code: 1,
    stdout: "",
    stderr: expect.stringMatching(/^error: .*no-such-model: no such directory.*\n$/),
  });
});
