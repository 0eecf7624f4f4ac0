// cllm4rec demo: ten training steps towards soft tokens through a small frozen LM, with what they cost on this machine.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { matmulRate, onnxRuntime } from "@cllm4rec/onnx-grad";
import { initialTables, TableOptimiser } from "@cllm4rec/training";
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { ITEMS, shopperPrompts, USERS } from "../demo/shoppers.js";
import { writeTinyModel } from "../demo/tiny-model.js";

const STEPS = 10;
const LEARNING_RATE = 0.02;

interface DemoResult {
  readonly model: string;
  readonly parameters: number;
  readonly lossBefore: number;
  readonly lossAfter: number;
  readonly steps: number;
  readonly tokensPerSecond: number;
  readonly gflops: number;
  readonly matmulGflops: number;
  readonly shareOfMatmul: number;
  readonly frozen: boolean;
}

const HELP = `
Examples:
  $ cllm4rec demo
  $ cllm4rec demo --backbone HuggingFaceTB/SmolLM2-135M
  $ cllm4rec demo --backbone ./gpt2 --json
`;

/** The `demo` command. */
export function demoCommand(context: CliContext): Command {
  return new Command("demo")
    .description(
      "Learn made-up users' and items' embeddings through a frozen language model, ten steps, and show the speed.",
    )
    .option("--backbone <directory or hub id>", "a pretrained model in place of the small one with random weights")
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async (flags: { backbone?: string; json?: boolean }) => {
      const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cllm4rec-demo-"));
      try {
        if (!flags.backbone) await writeTinyModel(folder);
        const result = await runDemo(flags.backbone ?? folder, flags.backbone === undefined, context.signal);
        context.stdout.write(flags.json ? `${JSON.stringify(result)}\n` : describe(result));
      } finally {
        await fs.rm(folder, { recursive: true, force: true });
      }
    });
}

async function runDemo(directory: string, made: boolean, signal: AbortSignal): Promise<DemoResult> {
  const engine = onnxRuntime();
  try {
    const backbone = await Backbone.open(directory, { engine, signal });
    const model = new BaseModel(backbone, { users: USERS, items: ITEMS });
    const { words, width } = model.vocabulary;
    const initial = initialTables({ users: USERS, items: ITEMS, width, seed: 3, priorDeviation: 0.03 });
    const tables = initial.collaborative;
    const optimiser = new TableOptimiser(initial, width);
    const prompts = shopperPrompts(words);
    const hashes = JSON.stringify(await backbone.fileHashes(signal));
    const loss = async () => (await model.heldOutLoss(prompts, tables, { gradients: false, signal })).loss;

    const lossBefore = await loss();
    await model.prepare("items");
    const rate = await matmulRate(engine);
    const times: number[] = [];
    let tokens = 0;
    for (let step = 0; step < STEPS; step++) {
      await rate.measure();
      const started = performance.now();
      const { gradients, usefulTokens } = await model.heldOutLoss(prompts, tables, { signal });
      for (const kind of ["users", "items"] as const) {
        optimiser.update("collaborative", kind, gradients![kind], LEARNING_RATE);
      }
      times.push(performance.now() - started);
      tokens = usefulTokens;
    }
    const seconds = times.sort((a, b) => a - b)[STEPS >> 1]! / 1e3;
    const lengths = prompts.map(({ ids }) => ids.length);
    const gflops = backbone.operations(lengths, { wanted: lengths.length, backward: true }) / seconds / 1e9;
    const result = {
      model: made ? "a GPT-2 of 4 layers, width 256, with seeded random weights" : directory,
      parameters: backbone.parameterCount,
      lossBefore,
      lossAfter: await loss(),
      steps: STEPS,
      tokensPerSecond: tokens / seconds,
      gflops,
      matmulGflops: rate.median(),
      shareOfMatmul: gflops / rate.median(),
      frozen: JSON.stringify(await backbone.fileHashes(signal)) === hashes,
    };
    await model.dispose();
    return result;
  } finally {
    await engine.dispose();
  }
}

function describe(result: DemoResult): string {
  const { lossBefore, lossAfter, tokensPerSecond, gflops, matmulGflops, shareOfMatmul } = result;
  return [
    `Backbone: ${result.model}, ${(result.parameters / 1e6).toFixed(1)} million frozen parameters.`,
    `Task: ${USERS} made-up users; predict 3 held-out items among ${ITEMS} from a prompt of 10 others (Eq. 9 of the paper).`,
    `Loss per held-out item before training: ${lossBefore.toFixed(4)} (guessing: ${Math.log(ITEMS).toFixed(4)})`,
    `Loss after ${result.steps} steps on the user and item embeddings: ${lossAfter.toFixed(4)}`,
    `Speed: ${tokensPerSecond.toFixed(0)} tokens/s, ${gflops.toFixed(0)} GFLOP/s through the frozen weights,`,
    `  ${(100 * shareOfMatmul).toFixed(0)}% of this machine's matmul rate (${matmulGflops.toFixed(0)} GFLOP/s, measured between the steps).`,
    result.frozen
      ? "The backbone's files are unchanged, byte for byte."
      : "THE BACKBONE'S FILES HAVE CHANGED: please report this.",
    "",
  ].join("\n");
}
