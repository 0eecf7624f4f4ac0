// What the tests of commands share: the command as a subprocess, a tiny backbone with a tokenizer, and a data set with
// two tastes.
import { spawn } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import { TrainableBackbone } from "@cllm4rec/backbone";
import { main } from "@cllm4rec/cli";
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { Random } from "../scripts/shop/random.mjs";

const BIN = fileURLToPath(new URL("../dist/bin.js", import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command in `folder`; sends `interrupt.signal` once stderr has `interrupt.after`. */
export function runCli(
  folder: string,
  args: readonly string[],
  interrupt?: { readonly signal: NodeJS.Signals; readonly after: string },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    const outcome = { stdout: "", stderr: "" };
    let sent = false;
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      outcome.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      outcome.stderr += text;
      if (sent || !interrupt || !outcome.stderr.includes(interrupt.after)) return;
      sent = true;
      child.kill(interrupt.signal);
    });
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, ...outcome }));
  });
}

/**
 * Runs the command in this process, with `folder` as the working directory: quicker, and enough where signals and the
 * process's own streams do not matter.
 * @param options.until interrupts it once stderr has this text
 */
export async function runIn(
  folder: string,
  args: readonly string[],
  { until, signal }: { readonly until?: string; readonly signal?: AbortSignal } = {},
): Promise<Outcome> {
  const interruption = new AbortController();
  const output = { stdout: "", stderr: "" };
  const into = (name: "stdout" | "stderr") =>
    new Writable({
      write(chunk, _encoding, done) {
        output[name] += chunk;
        if (until !== undefined && output.stderr.includes(until)) interruption.abort();
        done();
      },
    });
  const before = process.cwd();
  if (folder !== "") process.chdir(folder);
  try {
    const context = { stdout: into("stdout"), stderr: into("stderr"), signal: signal ?? interruption.signal };
    return { code: await main(args, context), ...output };
  } finally {
    process.chdir(before);
  }
}

/** As {@link runIn}, with the words of one line; `@` at the start of one stands for `folder` and a slash. */
export const runHere = (folder: string, line: string, options?: Parameters<typeof runIn>[2]): Promise<Outcome> =>
  runIn(
    folder,
    line.split(" ").map((word) => word.replace(/^@/, `${folder}/`)),
    options,
  );

/**
 * The 256 characters of GPT-2's byte-level alphabet: printable bytes stand for themselves, the others for U+0100 and
 * on.
 */
export function byteAlphabet(): string[] {
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(printable ? byte : next++);
  });
}

/** A random GPT-2 of width 16 with a tokenizer of one token a byte. */
export async function writeBackbone(directory: string): Promise<void> {
  const random = new Random(7);
  const uniform = (shape: readonly number[], scale: number, offset = 0) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => offset + scale * (2 * random.unit() - 1));
  const sizes = { vocab_size: 256, n_embd: 16, n_layer: 2, n_head: 2, n_positions: 160 };
  const backbone = TrainableBackbone.create({ model_type: "gpt2", ...sizes }, ({ name, shape }) => {
    if (name === "wte.weight") return uniform(shape, 0.1);
    if (name === "wpe.weight") return uniform(shape, 0.05);
    if (shape.length === 1) return uniform(shape, 0, name.endsWith("weight") ? 1 : 0);
    return uniform(shape, Math.sqrt(3 / shape[0]!)); // variance 1 over the inputs
  });
  await backbone.save(directory);
  await backbone.dispose();
  const vocab = Object.fromEntries(byteAlphabet().map((character, id) => [character, id]));
  fs.writeFileSync(path.join(directory, "tokenizer.json"), JSON.stringify(byteLevelBpe({ vocab, merges: [] })));
}

export const USERS = 48;
export const ITEMS = 80;

/** Even users choose from the items below 40, odd users from the others, nine each, with a word about each. */
export function writeChoices(file: string, shift = 0, { texts = true } = {}): void {
  const half = ITEMS / 2;
  const lines = Array.from({ length: USERS * 9 }, (_, n) => {
    const [user, k] = [Math.floor(n / 9), n % 9];
    const item = (user % 2) * half + ((user * 7 + k * 3 + shift) % half);
    const text = user % 2 === 0 ? "good" : "bad";
    return JSON.stringify({ user: `u${user}`, item: `i${item}`, ...(texts && { text }) });
  });
  fs.writeFileSync(file, `${lines.join("\n")}\n`);
}
