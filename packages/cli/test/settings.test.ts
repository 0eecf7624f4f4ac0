// Settings from one schema: flags, configuration and help agree, and everything is checked before anything is written.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { closing } from "../src/closing.js";
import { trainingFlags } from "../src/commands/training-flags.js";
import { lengths, readConfig, readOpenConfig, sections } from "../src/settings/config.js";
import { effectiveSettings } from "../src/settings/effective.js";
import { parseJsonWithComments } from "../src/settings/jsonc.js";
import { runHere, runIn, writeBackbone, writeChoices } from "./run-cli.js";

let folder = "";
const file = (...names: string[]) => path.join(folder, ...names);
beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-settings-"));
  await writeBackbone(file("backbone"));
  writeChoices(file("data.jsonl"), 0);
  const columns = ["--columns", "user=user,item=item,text=text", "--core", "0", "--out", "data"];
  expect((await runIn(folder, ["prepare", "--input", "data.jsonl", ...columns])).code).toBe(0);
}, 240_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const needed = { data: "data", backbone: "backbone", out: "out" };

describe("flags", () => {
  const flags = trainingFlags(["pretrain", "finetune"]);

  test("have the setting's name in kebab-case, with the stage in front where both stages have it", () => {
    const names = new Map(flags.map(({ option, place }) => [option.long, place]));
    expect(names.get("--warm-up-epochs")).toBe("pretrain.warmUpEpochs");
    expect(names.get("--pretrain-lambda-c")).toBe("pretrain.lambdaC");
    expect(names.get("--finetune-lambda-c")).toBe("finetune.lambdaC");
    expect(new Set(names.keys()).size).toBe(flags.length);
  });

  test("that there were before are all there", () => {
    const before =
      "data backbone out seed minutes layers text-share max-length engine threads prior-deviation save-every " +
      "report texts warm-up-epochs rounds pretrain-learning-rate pretrain-lambda-c epochs batch learning-rate " +
      "targets masked-share user-token dropout lambda-c average-decay validate-every patience";
    const names = flags.map(({ option }) => option.long);
    for (const name of before.split(" ")) expect(names).toContain(`--${name}`);
  });

  test("read a number, a range or a word as the setting's schema takes it", () => {
    const parse = (name: string, text: string) =>
      flags.find(({ option }) => option.long === `--${name}`)!.option.parseArg!(text, undefined);
    expect(parse("masked-share", "0.3-0.7")).toEqual([0.3, 0.7]);
    expect(parse("masked-share", "0.5")).toBe(0.5);
    expect(parse("content-steps", "epoch")).toBe("epoch");
    expect(parse("learning-rate", "2e-3")).toBe(0.002);
    expect(() => parse("masked-share", "0.7-0.3")).toThrow(/A number above 0 and below 1, or \[low, high\] of such is/);
    expect(() => parse("epochs", "-1")).toThrow("An integer of at least 0 is expected.");
    expect(() => parse("pretrain-scaling", "other")).toThrow('"paper" or "released-code" is expected.');
  });
});

describe("the configuration", () => {
  const read = (config: object, flags = {}) => {
    fs.writeFileSync(file("c.json"), JSON.stringify({ ...needed, ...config }));
    return readConfig(file("c.json"), flags);
  };

  test("takes undefined for the default", () => {
    const given = { ...needed, "finetune.lambdaC": undefined, "finetune.userToken": undefined, seed: undefined };
    expect(readConfig(undefined, given)).toEqual(readConfig(undefined, needed));
  });

  test("refuses a section that is none, also where a flag is given", () => {
    expect(() => read({ finetune: 3 }, { "finetune.epochs": 2 })).toThrow(
      /c\.json: finetune: found 3, expected an object/,
    );
    expect(() => read({ finetune: [] }, { "finetune.epochs": 2 })).toThrow(/finetune: found \[\], expected an object/);
  });

  test("may hold comments and begin with a byte-order mark, as the README shows", () => {
    const text =
      '\uFEFF// a run\n{ /* two\nlines */ "out": "a//b /* c */ \\" // d", // e\n"data": "d", "backbone": "b" }\n' +
      "/**/";
    fs.writeFileSync(file("commented.json"), text);
    expect(readConfig(file("commented.json"), {}).out).toBe('a//b /* c */ " // d');
    const readme = fs.readFileSync(path.join(import.meta.dirname, "..", "README.md"), "utf8");
    const [, example = ""] = /```jsonc\n([\s\S]*?)```/.exec(readme) ?? [];
    expect(example).toContain("//");
    fs.writeFileSync(file("readme.json"), example);
    expect(readConfig(file("readme.json"), {})).toMatchObject({ data: "beauty", finetune: { averageDecay: 0.999 } });
  });

  test("with comments is what it is without them, whatever its strings hold", () => {
    const comment = fc.constantFrom("", " // x\n", "/* // */", '/* " */', '//"\n');
    fc.assert(
      fc.property(fc.jsonValue(), comment, (value, between) => {
        const json = JSON.stringify({ value, other: ["//", "/*", '\\"'] }, null, 1);
        const commented = `${between}${json.replaceAll("\n", `${between}\n`)}${between}`;
        expect(parseJsonWithComments(commented)).toEqual(JSON.parse(json));
      }),
    );
    expect(() => parseJsonWithComments("{} /* no end")).toThrow(SyntaxError);
    expect(() => parseJsonWithComments('{"a": 1} / 2')).toThrow(SyntaxError);
  });

  test.each([
    [{ finetune: { batch: 1e12 } }, /finetune\.batch: found 1000000000000\. A batch has at most 1,000,000 documents/],
    [{ pretrain: { textTokens: 2e6 } }, /pretrain\.textTokens: found 2000000\. A batch has at most 1,000,000/],
    [{ pretrain: { textBatch: { tokens: 1e9 } } }, /pretrain\.textBatch: found \{"tokens":1000000000\}\. A batch/],
    [{ finetune: { maskedShare: [0.8, 0.2] } }, /finetune\.maskedShare: found \[0\.8,0\.2\]/],
    [
      { finetune: { learningRate: { peak: 0.1, warmup: 9, decay: { shape: "linear", total: 5 } } } },
      /finetune\.learningRate: .*decay\.total 5, expected an integer above the warm-up's 9/,
    ],
    [{ finetune: { lambdaC: -1 } }, /finetune\.lambdaC: found -1/],
    [{ pretrain: { clipNorm: 0 } }, /pretrain\.clipNorm: found 0/],
    [{ saveEverySeconds: -1 }, /saveEverySeconds: found -1/],
    [{ threads: 1000 }, /threads: found 1000/],
    [{ finetune: { adam: { beta3: 1 } } }, /unknown key "finetune\.adam\.beta3"; did you mean "finetune\.adam\.beta1"/],
  ])("refuses %j", (config, message) => {
    expect(() => read(config)).toThrow(message);
  });
});

describe("a run", () => {
  const train = (...args: string[]) =>
    runIn(folder, [..."train --method paper --data data --backbone backbone --report none".split(" "), ...args]);

  test("that only its second stage would refuse writes nothing", async () => {
    fs.writeFileSync(file("texts.json"), JSON.stringify({ textLength: 100, finetune: { textTokens: 50 } }));
    const { code, stderr } = await train("--config", "texts.json", "--out", "refused");
    expect({ code, refused: /error: .*more than a batch of 50 tokens takes/.test(stderr) }).toEqual({
      code: 2,
      refused: true,
    });
    expect(stderr).toMatch(/error: textLength: .*lower textLength or raise finetune\.textTokens/);
    expect(fs.existsSync(file("refused"))).toBe(false);
  });

  test("whose prompt leaves no room for texts is refused by textLength, before anything is written", async () => {
    const prompts = { review: `The user {user} writes a review of {item}, ${"long ".repeat(20)}:` };
    fs.writeFileSync(file("long.json"), JSON.stringify({ textLength: 60, prompts }));
    const { code, stderr } = await train("--config", "long.json", "--out", "refused");
    expect(code).toBe(2);
    expect(stderr).toMatch(/error: prompt "review" takes \d+ tokens .* within textLength 60; .*raise textLength$/m);
    expect(stderr).not.toContain("maxLength");
    expect(fs.existsSync(file("refused"))).toBe(false);
  });

  test("with an absurd batch is refused in one sentence", async () => {
    const { code, stderr } = await train("--batch", "1e12", "--out", "refused");
    expect(code).toBe(2);
    expect(stderr).toMatch(
      /^error: the command line: finetune\.batch: found 1000000000000\. A batch has at most [^\n]*\n$/,
    );
  });

  test("without a step pins nothing; one with steps is refused before anything is written", async () => {
    const short = ["--warm-up-epochs", "1", "--rounds", "1", "--epochs", "1", "--batch", "8"];
    fs.mkdirSync(file("pinned"));
    // The record of a run that failed before its first step.
    const record = {
      format: "cllm4rec-run",
      config: readConfig(undefined, { ...needed, seed: 9 }),
      stages: ["finetune"],
      dataset: { path: "x", hash: "y" },
    };
    fs.writeFileSync(file("pinned", "run.json"), JSON.stringify(record));
    expect(await train(...short, "--out", "pinned")).toMatchObject({ code: 0 });
    const files = () =>
      fs.readdirSync(file("pinned"), { recursive: true, withFileTypes: true }).map(({ name }) => name);
    const state = file("pinned", "run.json");
    const before = { files: files(), time: fs.statSync(state).mtimeMs };
    const other = await train(...short, "--out", "pinned", "--finetune-lambda-c", "0.5");
    expect(other).toMatchObject({ code: 2 });
    expect(other.stderr).toMatch(/the run was begun with finetune\.lambdaC 0\.1, now it is 0\.5/);
    expect({ files: files(), time: fs.statSync(state).mtimeMs }).toEqual(before);
  });
});

describe("closing", () => {
  test("closes everything, last first, and throws the first error with the others", async () => {
    const closed: string[] = [];
    const fails = (name: string) => () => {
      closed.push(name);
      throw new Error(name);
    };
    const attempt = closing(async (later) => {
      later(() => closed.push("first"));
      later(fails("second"));
      later(fails("third"));
      throw new Error("work");
    });
    const error: unknown = await attempt.catch((thrown: unknown) => thrown);
    expect(closed).toEqual(["third", "second", "first"]);
    expect(error).toMatchObject({ message: "work", suppressed: [{ message: "third" }, { message: "second" }] });
    const afterwards = closing(async (later) => later(fails("only")));
    await expect(afterwards).rejects.toThrow("only");
    expect(await closing(async () => 7)).toBe(7);
  });
});

describe("config --print", () => {
  test.each([
    ["train", {}],
    ["train", { method: "paper", seed: 3, "pretrain.rounds": 4, "finetune.maskedShare": 0.5 }],
    ["train", { minutes: 5, "finetune.learningRate": 2e-3 }],
    ["pretrain", { "pretrain.batch": 7 }],
    ["finetune", { "finetune.adam": { beta1: 0.5 }, prompts: { historyOnly: "{history}" } }],
  ] as const)("of %s with %j: read again, it is the same run", (command, flags) => {
    const given = readOpenConfig(undefined, { ...flags, ...needed }, { command });
    const { settings, open } = effectiveSettings(command, given);
    fs.writeFileSync(file("printed.json"), JSON.stringify(settings));
    const again = readConfig(file("printed.json"), {}, { command });
    const counted = { ...lengths(given) };
    const { pretrain, finetune, ...general } = again;
    const { pretrain: pretrainBefore, finetune: finetuneBefore, ...before } = given;
    expect(general).toEqual(before);
    if (command !== "finetune" && again.method === "paper") {
      const { warmUpEpochs, rounds } = counted;
      expect(pretrain).toEqual({ ...pretrainBefore, warmUpEpochs, rounds });
    }
    const epochs = given.minutes === undefined && command !== "pretrain" ? { epochs: counted.epochs } : {};
    if (command !== "pretrain") expect(finetune).toEqual({ ...finetuneBefore, ...epochs });
    // Every setting is printed or listed as open, and none is both.
    const printed = Object.keys((settings.finetune ?? {}) as object).map((name) => `finetune.${name}`);
    const listed = Object.keys(open).filter((name) => name.startsWith("finetune."));
    expect(printed.filter((name) => listed.includes(name))).toEqual([]);
    if (command !== "pretrain")
      expect(printed.length + listed.length).toBe(Object.keys(sections.finetune.shape).length);
  });

  test("takes flags over a file, needs no dataset, and prints nothing but JSON on stdout", async () => {
    fs.writeFileSync(file("some.json"), '{ "seed": 4, "finetune": { "epochs": 7, "dropout": 0.25 } }');
    const { code, stdout, stderr } = await runHere(folder, "config --config @some.json --epochs 9 --print");
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ seed: 4, method: "text-map", finetune: { epochs: 9, dropout: 0.25 } });
    expect(JSON.parse(stdout)).not.toHaveProperty("pretrain");
    expect(stderr).toContain("  finetune.learningRate: 0.03 × priorDeviation");
    expect((await runHere(folder, "config --print --epochs no")).code).toBe(2);
    expect((await runHere(folder, "config train --warm-up-epochs 3")).stderr).toContain("does not pretrain");
  });
});
