// The benchmark's result as one table for people.

/**
 * @typedef {{ name: string; batch: number; backward: boolean; tokensPerSecond: number; gflops: number; share: number;
 *   padding: number }} Step
 */

/**
 * @param {{ date: string; machine: string; node: string; engine: string; matmulGflops: number; steps: Step[]; opening:
 *   { open: number; firstGraph: number };
 *   memory: ReturnType<typeof import("./memory.js").measureMemory>; wasmGflops: number | undefined;
 *   torch: ReturnType<typeof import("./torch.js").torchSteps> }} result
 */
export function table(result) {
  const header = ["sequences", "batch", "step", "tokens/s", "GFLOP/s", "of matmul", "padding"];
  const rows = result.steps.map((step) => [
    step.name,
    `${step.batch}`,
    step.backward ? "forward + backward" : "forward",
    step.tokensPerSecond.toFixed(0),
    step.gflops.toFixed(0),
    `${(100 * step.share).toFixed(0)}%`,
    `${(100 * step.padding).toFixed(1)}%`,
  ]);
  const { torch } = result;
  const { step: memory, growth } = result.memory;
  return [
    `GPT-2 124M shape, frozen, float32, gradients towards the soft rows. ${result.machine}; Node ${result.node}; ` +
      `${result.engine}; ${result.date}.`,
    `Plain matmul through the same engine, measured between the steps (median): ${result.matmulGflops.toFixed(0)} ` +
      "GFLOP/s.",
    "",
    rowsAsTable(header, rows),
    "",
    `Opening the model after the first time: ${result.opening.open.toFixed(0)} ms; its training graph ready to ` +
      `run ${result.opening.firstGraph.toFixed(0)} ms after that (medians).`,
    `Memory of a step of ${memory.tokens} tokens: peak ${memory.peakMegabytes} MB` +
      (memory.mappedMegabytes === undefined
        ? "."
        : `, of which ${memory.mappedMegabytes} MB are mapped files (weights, code) and ` +
          `${memory.anonymousMegabytes} MB the step's own.`),
    "Resident memory of small steps: " +
      `${growth.steps.map((step, i) => `${growth.residentMegabytes[i]} MB after ${step}`).join(", ")}.`,
    `TensorFlow.js WebAssembly, the same matmul: ${result.wasmGflops?.toFixed(0)} GFLOP/s.`,
    torch
      ? `PyTorch ${torch.version}, ${torch.threads} threads, the same step: ${torch.steps
          .map(
            ({ sequence, dtype, tokensPerSecond }) => `${dtype} at ${sequence}: ${tokensPerSecond.toFixed(0)} tokens/s`,
          )
          .join("; ")}.`
      : "PyTorch is not installed here (set PYTHON to a Python that has it for the comparison).",
  ].join("\n");
}

/** A Markdown table with columns of even width. @param {string[]} header @param {string[][]} rows */
export function rowsAsTable(header, rows) {
  const widths = header.map((_, column) => Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)));
  const line = (/** @type {string[]} */ row) => `| ${row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join(" | ")} |`;
  return [line(header), `|${widths.map((width) => "-".repeat(width + 2)).join("|")}|`, ...rows.map(line)].join("\n");
}
