// The same step in PyTorch, where a Python that has it is found ($PYTHON, or python3): a comparison, never a
// dependency.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/**
 * @returns {{ version: string; threads: number; steps: { sequence: number; dtype: string; tokensPerSecond: number }[] }
 *   | null}
 */
export function torchSteps() {
  const script = fileURLToPath(new URL("torch_step.py", import.meta.url));
  const child = spawnSync(process.env.PYTHON ?? "python3", [script], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
  });
  if (child.status !== 0) return null;
  return JSON.parse(child.stdout);
}
