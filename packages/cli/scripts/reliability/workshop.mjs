// A folder to break things in: a tiny random backbone, a small dataset, and the built command line as a process that
// can be killed.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { TrainableBackbone } from "@cllm4rec/backbone";
import { byteLevelBpe } from "@cllm4rec/tokenizer-ext";
import { Random } from "../shop/random.mjs";

const BIN = fileURLToPath(new URL("../../dist/bin.js", import.meta.url));

/** Both stages in some seconds, with a checkpoint after every update. */
export const TRAIN = [
  ..."train --data data --backbone backbone --seed 3 --batch 12 --learning-rate 0.05 --prior-deviation 0.5".split(" "),
  ..."--warm-up-epochs 1 --rounds 2 --epochs 5 --pretrain-learning-rate 0.02 --save-every 0 --threads 1".split(" "),
  ..."--report none".split(" "),
];

/** What a finished run has to be the same in, byte by byte. */
export const RESULTS = [
  "embeddings.safetensors",
  "users.json",
  "items.json",
  "training-state/pretrain.safetensors",
  "training-state/finetune.safetensors",
];

/** Makes the folder; the caller removes it. */
export async function workshop(/** @type {string} */ name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), `reliability-${name}-`));
  await writeBackbone(path.join(folder, "backbone"));
  writeChoices(path.join(folder, "choices.jsonl"));
  const columns = "--columns user=user,item=item,text=text --core 0 --out data".split(" ");
  const prepared = await cli(folder, ["prepare", "--input", "choices.jsonl", ...columns]);
  if (prepared.code !== 0) throw new Error(prepared.stderr);
  return folder;
}

/**
 * Runs the command line in `folder`, and kills it with SIGKILL after `killAfter` milliseconds.
 * @returns {Promise<{ code: number | null, stdout: string, stderr: string, seconds: number }>} the code is null where
 *   it was killed
 */
export function cli(/** @type {string} */ folder, /** @type {string[]} */ args, killAfter = Number.POSITIVE_INFINITY) {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ["ignore", "pipe", "pipe"] });
    const output = { stdout: "", stderr: "" };
    child.stdout.setEncoding("utf8").on("data", (text) => {
      output.stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text) => {
      output.stderr += text;
    });
    const timer = Number.isFinite(killAfter) ? setTimeout(() => child.kill("SIGKILL"), killAfter) : undefined;
    child.once("error", reject);
    child.once("close", (code) => {
      clearTimeout(timer);
      resolve({ code, ...output, seconds: (performance.now() - begun) / 1000 });
    });
  });
}

/** The results of a run that differ from another's, by name. */
export function differing(/** @type {string} */ one, /** @type {string} */ other, names = RESULTS) {
  const hash = (/** @type {string} */ file) =>
    fs.existsSync(file) ? createHash("sha256").update(fs.readFileSync(file)).digest("hex") : "absent";
  return names.filter((name) => hash(path.join(one, name)) !== hash(path.join(other, name)));
}

/** What is wrong with a refusal: it has to be one sentence on stderr, without a stack, and nothing on stdout. */
export function complaint(
  /** @type {{ code: number | null, stdout: string, stderr: string }} */ { code, stdout, stderr },
) {
  const sentences = stderr.split("\n").filter((line) => line.startsWith("error: ")).length;
  if (code !== 1 && code !== 2) return `exit code ${code}`;
  if (sentences !== 1) return `${sentences} sentences`;
  if (/^ +at /m.test(stderr)) return "a stack trace";
  return stdout === "" ? undefined : "output";
}

async function writeBackbone(/** @type {string} */ directory) {
  const random = new Random(7);
  const uniform = (/** @type {readonly number[]} */ shape, /** @type {number} */ scale, offset = 0) =>
    Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, () => offset + scale * (2 * random.unit() - 1));
  const sizes = { vocab_size: 256, n_embd: 16, n_layer: 2, n_head: 2, n_positions: 160 };
  const backbone = TrainableBackbone.create({ model_type: "gpt2", ...sizes }, ({ name, shape }) =>
    shape.length === 1
      ? uniform(shape, 0, name.endsWith("weight") ? 1 : 0)
      : uniform(shape, name.startsWith("w") ? 0.1 : 0.4),
  );
  await backbone.save(directory);
  await backbone.dispose();
  // GPT-2's byte-level alphabet: printable bytes stand for themselves, the others for U+0100 and on.
  let next = 0x100;
  const alphabet = Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte > 0x20 && byte < 0x7f) || (byte > 0xa0 && byte !== 0xad);
    return String.fromCodePoint(printable ? byte : next++);
  });
  const vocab = Object.fromEntries(alphabet.map((character, id) => [character, id]));
  fs.writeFileSync(path.join(directory, "tokenizer.json"), JSON.stringify(byteLevelBpe({ vocab, merges: [] })));
}

/** 48 users of two tastes choose nine of 80 items each, with a word about each. */
function writeChoices(/** @type {string} */ file) {
  const lines = Array.from({ length: 48 * 9 }, (_, n) => {
    const [user, k] = [Math.floor(n / 9), n % 9];
    const item = (user % 2) * 40 + ((user * 7 + k * 3) % 40);
    return JSON.stringify({ user: `u${user}`, item: `i${item}`, text: user % 2 === 0 ? "good" : "bad" });
  });
  fs.writeFileSync(file, `${lines.join("\n")}\n`);
}
