// Random --config files and flags: each ends in exit code 2 with one sentence, never in a stack trace, and writes
// nothing. What happens to be valid gets to the dataset, which is not there: exit code 1. Build first; then: node
// packages/cli/scripts/reliability/fuzz-settings.mjs [RUNS] [SEED]
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { Writable } from "node:stream";
import { main } from "@cllm4rec/cli";
import fc from "fast-check";

const runs = Number(process.argv[2] ?? 2000);
const seed = Number(process.argv[3] ?? 1);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "fuzz-settings-"));
process.chdir(folder);
fs.mkdirSync("config");

const KEYS = [
  ..."data backbone out engine threads seed minutes pretrainShare texts textLength maxLength layers textShare".split(
    " ",
  ),
  ..."priorDeviation contentDeviation saveEverySeconds report prompts pretrain finetune".split(" "),
];
const STAGE_KEYS = [
  ..."batch textTokens learningRate contentLearningRate adam clipNorm lambdaC lambdaL scaling order dropout".split(" "),
  ..."backboneDropout warmUpEpochs rounds epochs targets maskedShare userToken averageDecay contentSteps".split(" "),
  ..."validateEvery patience".split(" "),
];
const PLACES = { data: "no-such-data", backbone: "no-such-backbone", out: "model" };

const odd = fc.oneof(
  fc.constantFrom(
    -1,
    0,
    1e300,
    1e12,
    1.5,
    "",
    "none",
    "NaN",
    "-0",
    null,
    true,
    [],
    {},
    "\u001b[2J",
    "../..",
    "__proto__",
  ),
  fc.jsonValue({ maxDepth: 2 }),
);
const settings = (/** @type {string[]} */ keys) =>
  fc.dictionary(fc.oneof({ weight: 9, arbitrary: fc.constantFrom(...keys) }, fc.string()), odd, { maxKeys: 4 });
const config = fc.oneof(
  { weight: 3, arbitrary: settings(KEYS) },
  {
    weight: 3,
    arbitrary: fc
      .tuple(fc.constantFrom("pretrain", "finetune"), settings(STAGE_KEYS))
      .map(([stage, values]) => ({ [stage]: values })),
  },
  { weight: 1, arbitrary: odd },
);
const file = fc.oneof(
  {
    weight: 6,
    arbitrary: config.map((value) => JSON.stringify({ ...PLACES, ...(Object(value) === value ? value : { value }) })),
  },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 60 }) },
  { weight: 1, arbitrary: config.map((value) => JSON.stringify(value)) },
  { weight: 1, arbitrary: config.map((value) => JSON.stringify(value).slice(0, -1)) },
);
const flag = fc.constantFrom(
  ...(
    "--seed --minutes --layers --text-share --max-length --engine --threads --prior-deviation --save-every " +
    "--report"
  ).split(" "),
  ..."--texts --warm-up-epochs --rounds --pretrain-learning-rate --epochs --batch --learning-rate --targets".split(" "),
  ...(
    "--masked-share --user-token --dropout --lambda-c --average-decay --validate-every --patience --config " +
    "--no-pretrain"
  ).split(" "),
  ..."--from --json --out --data --backbone --modle -k --".split(" "),
);
const word = fc.oneof(
  fc.constantFrom(
    "-1",
    "0",
    "1",
    "1e12",
    "1e400",
    "0.5",
    "0.9-0.1",
    "NaN",
    "Infinity",
    "",
    " ",
    "none",
    "0x10",
    "--",
    "\u001b[2J",
    "1,5",
  ),
  fc.string({ unit: "binary", maxLength: 12 }),
);
const flags = fc
  .array(fc.tuple(flag, fc.array(word, { maxLength: 2 })), { minLength: 1, maxLength: 3 })
  .map((all) => all.flat(2));

/** @returns {Promise<{ code: number, stdout: string, stderr: string }>} */
async function run(/** @type {string[]} */ argv) {
  const output = { stdout: "", stderr: "" };
  const into = (/** @type {"stdout" | "stderr"} */ name) =>
    new Writable({
      write(chunk, _encoding, done) {
        output[name] += chunk;
        done();
      },
    });
  const context = { stdout: into("stdout"), stderr: into("stderr"), signal: new AbortController().signal };
  return { code: await main(argv, context), ...output };
}

/** @type {Record<string, number>} */
const codes = {};
/** What is wrong with an outcome, if anything. */
function complaint(/** @type {{ code: number, stdout: string, stderr: string }} */ { code, stdout, stderr }) {
  codes[code] = (codes[code] ?? 0) + 1;
  const lines = stderr.split("\n").filter((line) => line.startsWith("error: "));
  if (code !== 2 && code !== 1) return `exit code ${code}`;
  if (code === 1 && !/no-such-|no such file|not a prepared dataset|ENOENT/i.test(stderr))
    return `exit code 1: ${stderr}`;
  if (lines.length !== 1) return `${lines.length} sentences: ${stderr}`;
  if (/^ +at /m.test(stderr) || /TypeError|undefined is not|Cannot read prop/.test(stderr))
    return `a stack trace: ${stderr}`;
  if (stdout !== "") return `output: ${stdout}`;
  const left = fs.readdirSync(folder).filter((name) => name !== "config");
  return left.length > 0 ? `written: ${left.join(", ")}` : undefined;
}

let failed = false;
async function fuzz(/** @type {string} */ what, /** @type {fc.Arbitrary<string[]>} */ argv) {
  const property = fc.asyncProperty(argv, async (args) => {
    const found = complaint(await run(args));
    if (found !== undefined) throw new Error(`${found}\n  ${JSON.stringify(args)}`);
  });
  const result = await fc.check(property, { numRuns: runs, seed });
  console.log(
    `${what} | seed ${seed} | ${result.numRuns} runs | ${result.failed ? "FAILED" : "no failure"} | exit codes ` +
      `${JSON.stringify(codes)}`,
  );
  if (result.failed) {
    failed = true;
    console.log(String(result.errorInstance));
    console.log(JSON.stringify(result.counterexample));
  }
  for (const code of Object.keys(codes)) delete codes[code];
}

const command = fc.constantFrom("train", "pretrain", "finetune");
const PLACE_FLAGS = Object.entries(PLACES).flatMap(([name, value]) => [`--${name}`, value]);
try {
  await fuzz(
    "--config files",
    fc.tuple(command, file).map(([name, text]) => {
      fs.writeFileSync("config/run.json", text);
      return [name, "--config", "config/run.json"];
    }),
  );
  await fuzz(
    "flags of training",
    fc.tuple(command, flags).map(([name, given]) => [name, ...PLACE_FLAGS, ...given]),
  );
  const other = fc.constantFrom(
    "evaluate",
    "recommend",
    "report",
    "baselines",
    "compare",
    "merge",
    "prepare",
    "nonsense",
  );
  const otherFlag = fc.oneof(
    flag,
    fc.constantFrom(
      ..."--model --user --history --split --number --per-user --candidate --baseline --input --core --columns".split(
        " ",
      ),
    ),
  );
  const given = fc
    .array(fc.tuple(otherFlag, fc.array(word, { maxLength: 2 })), { maxLength: 4 })
    .map((all) => all.flat(2));
  await fuzz(
    "flags of the other commands",
    fc.tuple(other, given).map(([name, rest]) => [name, ...rest]),
  );
} finally {
  process.chdir(os.tmpdir());
  fs.rmSync(folder, { recursive: true, force: true });
}
process.exitCode = failed ? 1 : 0;
