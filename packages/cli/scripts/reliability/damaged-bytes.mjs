// One bit flipped at random in each file of a model directory. Good: the command refuses with one sentence, or answers
// as before. Bad: another answer without a word. Build first; then: node
// packages/cli/scripts/reliability/damaged-bytes.mjs [FLIPS A FILE] [SEED]
import fs from "node:fs";
import path from "node:path";
import { Random } from "../shop/random.mjs";
import { cli, complaint, differing, TRAIN, workshop } from "./workshop.mjs";

const flips = Number(process.argv[2] ?? 10);
const random = new Random(Number(process.argv[3] ?? 1));
const folder = await workshop("damage");
const at = (/** @type {string[]} */ ...names) => path.join(folder, ...names);
let silent = 0;

/** @param {string} file @returns what gives the old content back */
function flipOneBit(file) {
  const before = fs.readFileSync(file);
  const after = Buffer.from(before);
  const place = Math.min(Math.floor(random.unit() * after.length), after.length - 1);
  after[place] = (after[place] ?? 0) ^ (1 << Math.floor(random.unit() * 8));
  fs.writeFileSync(file, after);
  return () => fs.writeFileSync(file, before);
}

/** @param {string} name @param {() => Promise<"refused" | "as before" | "changed silently" | "unclear">} outcome */
async function damage(name, outcome) {
  /** @type {Record<string, number>} */
  const found = { refused: 0, "as before": 0, "changed silently": 0, unclear: 0 };
  for (let flip = 0; flip < flips; flip++) {
    const restore = flipOneBit(at(name));
    const result = await outcome();
    found[result] = (found[result] ?? 0) + 1;
    restore();
  }
  if (found["changed silently"] || found.unclear) silent++;
  console.log(`${name} | ${flips} | ${Object.values(found).join(" | ")}`);
}

try {
  const half = TRAIN.with(TRAIN.indexOf("--epochs") + 1, "2");
  for (const [args, out] of /** @type {[string[], string][]} */ ([
    [half, "half"],
    [TRAIN, "model"],
  ]))
    if ((await cli(folder, [...args, "--out", out])).code !== 0) throw new Error(`${out}: not trained`);
  const question = ["recommend", "--model", "model", "--user", "u0", "u1", "u7", "u30", "-k", "71", "--json"];
  // Recommending reads no dataset, so the dataset's files are asked for by evaluate.
  const evaluation = ["evaluate", "--model", "model", "--json"];
  const answers = new Map();
  for (const asked of [question, evaluation]) {
    const { code, stdout, stderr } = await cli(folder, asked);
    if (code !== 0) throw new Error(stderr);
    answers.set(asked, stdout);
  }
  console.log("file | flips | refused | as before | changed silently | unclear message");
  const model = ["embeddings.safetensors", "config.json", "users.json", "items.json"].map((name) => `model/${name}`);
  const data = fs.readdirSync(at("data")).map((name) => `data/${name}`);
  const backbone = fs.readdirSync(at("backbone")).map((name) => `backbone/${name}`);
  for (const name of [...model, ...data.filter((file) => fs.statSync(at(file)).isFile()), ...backbone]) {
    const asked = name.startsWith("data/") ? evaluation : question;
    await damage(name, async () => {
      const outcome = await cli(folder, asked);
      if (outcome.code === 0) return outcome.stdout === answers.get(asked) ? "as before" : "changed silently";
      return complaint(outcome) === undefined ? "refused" : "unclear";
    });
  }
  const state = [
    "training-state/pretrain.safetensors",
    "training-state/finetune.safetensors",
    "run.json",
    "training-state/clock.json",
  ];
  for (const name of state) {
    await damage(`half/${name}`, async () => {
      fs.rmSync(at("resumed"), { recursive: true, force: true });
      fs.cpSync(at("half"), at("resumed"), { recursive: true });
      const outcome = await cli(folder, [...TRAIN, "--out", "resumed"]);
      if (outcome.code === 0)
        return differing(at("model"), at("resumed")).length === 0 ? "as before" : "changed silently";
      return complaint(outcome) === undefined ? "refused" : "unclear";
    });
  }
} finally {
  fs.rmSync(folder, { recursive: true, force: true });
}
process.exitCode = silent > 0 ? 1 : 0;
