// What newcomers and hostile data run into: mistyped options, folders that are not ours, full disks, escape sequences
// in ids.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fileName } from "../src/evaluation/per-user.js";
import { filled } from "../src/help.js";
import { escaped, oneLine } from "../src/terminal.js";
import { type Outcome, runCli, runHere, runIn, USERS, writeBackbone, writeChoices } from "./run-cli.js";

const BIN = fileURLToPath(new URL("../dist/bin.js", import.meta.url));
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what it is about
const CONTROL = /[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

let folder = "";
const file = (...names: string[]) => path.join(folder, ...names);
const cllm4rec = (...args: string[]): Promise<Outcome> => runIn(folder, args);
const errors = ({ stderr }: Outcome) => stderr.split("\n").filter((line) => line.startsWith("error: "));

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-strangers-"));
  await writeBackbone(file("backbone"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

describe("escaping", () => {
  test("of JSON is the same JSON; nothing that a terminal obeys is left", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.string({ unit: "binary" }), (value, text) => {
        const json = JSON.stringify([value, text]);
        expect(JSON.parse(escaped(json))).toEqual(JSON.parse(json));
        expect(escaped(json)).not.toMatch(CONTROL);
        expect(oneLine(text)).not.toMatch(CONTROL);
        expect(oneLine(text)).not.toContain("\n");
      }),
    );
    expect(escaped("\u001b]0;x\u0007\n\ta é 日 😀 \ud800")).toBe("\\u001b]0;x\\u0007\n\ta é 日 😀 \\ud800");
    expect(oneLine("a\nb\tc\u202e")).toBe("a\\u000ab\\u0009c\\u202e");
  });

  test("from raw ids to recommendations: no command's output or error holds a control character", async () => {
    writeChoices(file("plain.jsonl"));
    const lines = fs.readFileSync(file("plain.jsonl"), "utf8").trimEnd().split("\n");
    const [erase, title] = ["\u001b[2J", "\u001b]0;owned\u0007\u009b31m\u202e"];
    const hostile = lines.map((line) => {
      const { user, item, text } = JSON.parse(line);
      return JSON.stringify({ user: `${user}${erase}`, item: `${item}${title}\n\tz`, text });
    });
    const input = `hostile${erase}.jsonl`;
    fs.writeFileSync(file(input), `${hostile.join("\n")}\n"broken${title}\n`);
    const columns = "--columns user=user,item=item,text=text --core 0 --out hostile".split(" ");
    const train = "finetune --data hostile --backbone backbone --epochs 1 --report none --blend none --out model".split(
      " ",
    );
    const outcomes = [
      await cllm4rec("prepare", "--input", input, ...columns),
      await cllm4rec(...train),
      await cllm4rec("recommend", "--model", "model", "--user", `u0${erase}`),
      await cllm4rec("recommend", "--model", "model", "--user", `u1${erase}`, "--json"),
      await cllm4rec("recommend", "--model", "model", "--user", `nobody${title}`),
      await cllm4rec("recommend", "--model", "model", "--history", `nothing${title}`),
      await cllm4rec("evaluate", "--model", `${title}`),
      await cllm4rec("train", "--config", `${title}.json`),
    ];
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 1, 1, 1, 2]);
    for (const { stdout, stderr } of outcomes) {
      expect(stdout).not.toMatch(CONTROL);
      expect(stderr).not.toMatch(CONTROL);
    }
    // The table has one line for the user and one for each item, whatever the ids hold.
    expect(outcomes[2]!.stdout.trimEnd().split("\n")).toHaveLength(11);
    expect(JSON.parse(outcomes[3]!.stdout).user).toBe(`u1${erase}`);
    expect(JSON.parse(outcomes[3]!.stdout).items[0].item).toContain(title);
  });
});

describe("--out is left alone where it holds something else", () => {
  const TRAIN = "--method paper --epochs 1 --no-pretrain --report none".split(" ");
  /** Names and contents of everything below a folder. */
  const contents = (at: string): [string, string][] =>
    fs
      .readdirSync(at, { recursive: true, encoding: "utf8" })
      .filter((name) => fs.statSync(path.join(at, name)).isFile())
      .map((name) => [name, fs.readFileSync(path.join(at, name), "latin1")]);

  beforeAll(async () => {
    writeChoices(file("choices.jsonl"));
    const columns = "--columns user=user,item=item,text=text --core 0 --out data".split(" ");
    expect((await cllm4rec("prepare", "--input", "choices.jsonl", ...columns)).code).toBe(0);
    fs.mkdirSync(file("project"));
    fs.writeFileSync(file("project", "config.json"), '{"mine": true}');
    fs.writeFileSync(file("project", "users.json"), "[]");
    fs.writeFileSync(file("project", "run.json"), '{"format": "of something else"}');
  });

  test.each(["backbone", "data", "project", "choices.jsonl"])("train, pretrain and finetune --out %s", async (out) => {
    const before = out.endsWith("jsonl") ? fs.readFileSync(file(out), "latin1") : contents(file(out));
    for (const args of [["train", ...TRAIN], ["finetune"], ["pretrain"]]) {
      const outcome = await runHere(folder, `${args.join(" ")} --data @data --backbone @backbone --out @${out}`);
      expect(outcome).toMatchObject({ code: 2, stdout: "" });
      expect(errors(outcome)).toEqual([expect.stringMatching(/: is (not empty|a file).*name a new folder as --out$/)]);
    }
    expect(out.endsWith("jsonl") ? fs.readFileSync(file(out), "latin1") : contents(file(out))).toEqual(before);
  });

  test("--out . in a project; a run's own folder resumes, and so does one that was killed at its very start", async () => {
    const project = await runIn(file("project"), "train --data ../data --backbone ../backbone --out .".split(" "));
    expect({ code: project.code, errors: errors(project) }).toEqual({
      code: 2,
      errors: [
        'error: .: is not empty and holds no run of cllm4rec ("config.json" and 2 more); name a new folder as --out',
      ],
    });
    fs.mkdirSync(file("begun", "token-cache"), { recursive: true });
    const leftover = "items.json.999999999-0123456789ab.tmp";
    const train = `train ${TRAIN.join(" ")} --data @data --backbone @backbone --out @begun`;
    expect(await runHere(folder, train)).toMatchObject({ code: 0 });
    // What a killed run leaves half-written is gone after the next start.
    fs.writeFileSync(file("begun", leftover), "[");
    expect(await runHere(folder, train)).toMatchObject({ code: 0 });
    expect(fs.existsSync(file("begun", leftover))).toBe(false);
    const merge = await runHere(folder, "merge --model @begun @begun --out @project");
    expect({ code: merge.code, wrote: fs.existsSync(file("project", "embeddings.safetensors")) }).toEqual({
      code: 1,
      wrote: false,
    });
    fs.rmSync(file("project", "config.json"));
    const again = await runHere(folder, "merge --model @begun @begun --out @project");
    expect({ code: again.code, users: fs.readFileSync(file("project", "users.json"), "utf8") }).toEqual({
      code: 2,
      users: "[]",
    });
    expect(USERS).toBeGreaterThan(0);
  });
});

describe("one clear sentence", () => {
  test.each([
    ["evaluate --modle model", 2, "error: unknown option '--modle'\n(Did you mean --model?)"],
    ["recommend --modle=model --user u", 2, "error: unknown option '--modle'\n(Did you mean --model?)"],
    ["evaluate", 2, "error: required option '--model <dir...>' not specified"],
    ["evaluate --model x --threads 1000", 2, "An integer from 1 to 256 is expected."],
    ["trian", 2, "error: unknown command 'trian'\n(Did you mean train?)"],
    [
      "compare --candidate @none.json --baseline @none.json",
      1,
      /none\.json: cannot be read \(ENOENT[^)]*\); a file that /,
    ],
  ] as const)("%s", async (line, code, said) => {
    const outcome = await runHere(folder, line);
    expect(outcome).toMatchObject({ code, stdout: "" });
    expect(outcome.stderr).toMatch(said instanceof RegExp ? said : new RegExp(said.replace(/[()[\]?.*]/g, "\\$&")));
    expect(errors(outcome)).toHaveLength(1);
  });

  test("help is as wide as its options, 80 columns where nobody says otherwise; commands stay in one line", async () => {
    const { stdout } = await runHere(folder, "evaluate --help");
    const prose = stdout.split("\n").filter((line) => !line.startsWith(" "));
    expect(Math.max(...prose.map((line) => line.length))).toBeLessThanOrEqual(80);
    expect(stdout).toContain("Exit codes: 0 done");
    expect(stdout).toContain("129");
    expect(filled("a b c d\n\n  x y z w\ne: f", 4)).toBe("a b\nc d\n\n  x y z w\ne: f");
  });

  test("a prompt longer than the backbone's positions is the flag's fault", async () => {
    writeChoices(file("few.jsonl"));
    await runHere(folder, "prepare --input @few.jsonl --columns user=user,item=item --core 0 --out @few");
    const outcome = await runHere(folder, "train --data @few --backbone @backbone --out @long --max-length 5000");
    expect(outcome).toMatchObject({ code: 2, stdout: "" });
    expect(errors(outcome)).toEqual([
      expect.stringContaining("--max-length is 5000, expected an integer from 1 to the model's own 160 in "),
    ]);
  });

  test("each signal has its exit code, and training says how to resume", async () => {
    writeChoices(file("some.jsonl"));
    await runHere(folder, "prepare --input @some.jsonl --columns user=user,item=item --core 0 --out @some");
    const train = "finetune --data some --backbone backbone --report none --blend none --out".split(" ");
    for (const [signal, code] of [["SIGHUP", 129] as const, ["SIGTERM", 143] as const]) {
      const outcome = await runCli(folder, [...train, signal], { signal, after: "finetune: epoch 1/" });
      expect(outcome).toMatchObject({ code, stdout: "" });
      expect(outcome.stderr).toContain(`interrupted: everything is saved in ${signal}`);
    }
  });

  test("file names of recommenders are ASCII", () => {
    expect(fileName("EASE, λ 200")).toBe("ease-lambda-200.json");
    expect(fileName("item KNN, shrinkage 10")).toBe("item-knn-shrinkage-10.json");
  });

  test.skipIf(!fs.existsSync("/dev/full"))("a full disk behind stdout is exit code 1 and one line", () => {
    const full = fs.openSync("/dev/full", "w");
    try {
      const options = { stdio: ["ignore", full, "pipe"] as const, encoding: "utf8" as const };
      const { status, stderr } = spawnSync(process.execPath, [BIN, "--help"], {
        ...options,
        stdio: [...options.stdio],
      });
      expect({ status, stderr }).toEqual({
        status: 1,
        stderr: expect.stringMatching(/^error: standard output cannot be written \(ENOSPC[^\n]*\); make room.*\n$/),
      });
      // Nobody can be told where stderr is full as well: the exit code still says it.
      expect(spawnSync(process.execPath, [BIN, "--help"], { stdio: ["ignore", full, full] }).status).toBe(1);
    } finally {
      fs.closeSync(full);
    }
  });
});
