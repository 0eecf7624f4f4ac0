// Splits that come as files, RecBole's and LightGCN's: every interaction stays in its part, and what is missing is
// said.
import fs from "node:fs";
import path from "node:path";
import { csrRow, Dataset, type Manifest, type PrepareEvent, type PrepareOptions, prepare } from "@cllm4rec/corpus";
import { expect, test } from "vitest";
import { heldOutCounts } from "../src/prepare/split.js";
import { temporaryFolder } from "./prepared.js";

const folder = temporaryFolder();
let outputs = 0;

interface Given {
  readonly manifest: Manifest;
  readonly events: readonly PrepareEvent[];
  readonly warnings: readonly string[];
  /** Of each part: "user: item item", raw. */
  readonly parts: Readonly<Record<"train" | "validation" | "test", readonly string[]>>;
}

async function given(options: Omit<PrepareOptions, "output">): Promise<Given> {
  const output = path.join(folder.path, `out-${++outputs}`);
  const events: PrepareEvent[] = [];
  const manifest = await prepare({ ...options, output, onEvent: (event) => events.push(event) });
  const dataset = await Dataset.open(output);
  const [users, items] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
  const part = async (split: "train" | "validation" | "test") => {
    const csr = await dataset.interactions(split);
    return users
      .map((raw, user) => ({ raw, own: Array.from(csrRow(csr, user), (item) => items[item]) }))
      .filter(({ own }) => own.length > 0)
      .map(({ raw, own }) => `${raw}: ${own.join(" ")}`);
  };
  const parts = { train: await part("train"), validation: await part("validation"), test: await part("test") };
  dataset.close();
  const warnings = events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
  return { manifest, events, warnings, parts };
}

const inter = (...rows: string[]) => `${["user_id:token\titem_id:token\ttimestamp:float", ...rows].join("\n")}\n`;

test("RecBole's benchmark files, as a folder and as files in any order", async () => {
  const files = [
    folder.write("rb/shop.train.inter", inter("ann\tcup\t3", "ann\ttea\t1", "bob\tcup\t9", "bob\tcup\t9")),
    folder.write("rb/shop.valid.inter", inter("ann\tpot\t2")),
    folder.write("rb/shop.test.inter", inter("bob\tpot\t1", "eve\ttea\t1")),
  ];
  folder.write("rb/shop.item", "item_id:token\ttitle:token_seq\ncup\tA cup\npot\tA pot\n");
  const expected = { train: ["ann: tea cup", "bob: cup"], validation: ["ann: pot"], test: ["bob: pot", "eve: tea"] };
  const meta = [path.join(folder.path, "rb/shop.item")];
  const fromFolder = await given({ inputs: [path.join(folder.path, "rb")], meta });
  expect(fromFolder.parts).toEqual(expected);
  expect(fromFolder.warnings).toEqual([]);
  expect(fromFolder.events[0]).toEqual({ type: "format", format: "recbole", detected: true });
  expect(fromFolder.manifest).toMatchObject({ train: 3, validation: 1, test: 2 });
  expect(fromFolder.manifest.preparation).toMatchObject({
    split: "given",
    minRating: null,
    core: 0,
    validationShare: 0,
  });
  expect(fromFolder.manifest.records).toMatchObject({
    records: 7,
    duplicates: 1,
    kept: 6,
    metadata: 2,
    metadataUnused: 0,
  });
  expect(fromFolder.manifest.statistics.itemTexts).toBe(2);
  const fromFiles = await given({ inputs: files.toReversed() });
  expect(fromFiles.parts).toEqual(expected);
});

test("of sequential benchmark files training has histories and targets, the held-out parts their targets", async () => {
  const lines = (...rows: string[]) =>
    `${["user_id:token\titem_id_list:token_seq\titem_id:token", ...rows].join("\n")}\n`;
  folder.write("seq/games.train.inter", lines("1\ta\tb", "1\ta b\tc", "2\tb\ta"));
  folder.write("seq/games.valid.inter", lines("1\ta b c\td", "2\tb a\td"));
  folder.write("seq/games.test.inter", lines("1\ta b c d\te", "2\tb a d\tc"));
  const { parts, manifest } = await given({ inputs: [path.join(folder.path, "seq")] });
  expect(parts).toEqual({ train: ["1: a b c", "2: b a"], validation: ["1: d", "2: d"], test: ["1: e", "2: c"] });
  expect(manifest.records).toMatchObject({ malformed: 0, duplicates: 2, kept: 9 });
});

test("LightGCN's files: a user without items is none, what are no integers is malformed", async () => {
  folder.write("lgcn/train.txt", "0 0 1 2\n1 2\n\n2 3 x\n3 10 2\n");
  folder.write("lgcn/valid.txt", "0 3\n");
  folder.write("lgcn/test.txt", "0 10 \n1\n3 3\n");
  folder.write("lgcn/item_list.txt", "org_id remap_id\nB1 0\n");
  const input = path.join(folder.path, "lgcn");
  const { parts, manifest, events, warnings } = await given({ inputs: [input], maxMalformed: 0.2 });
  expect(parts).toEqual({ train: ["0: 0 1 2", "1: 2", "3: 2 10"], validation: ["0: 3"], test: ["0: 10", "3: 3"] });
  expect(manifest.provenance.reader).toBe("lightgcn");
  expect(manifest.records).toMatchObject({ records: 10, malformed: 1, kept: 9 });
  expect(events.find(({ type }) => type === "malformed")).toMatchObject({
    file: path.join(input, "train.txt"),
    place: "line 4",
    snippet: "2 3 x",
  });
  expect(warnings).toEqual([]);
});

test("without a validation file there is none, and a warning says how to draw one", async () => {
  const train = Array.from({ length: 30 }, (_, user) =>
    [user, ...Array.from({ length: 1 + user }, (_, k) => k)].join(" "),
  );
  folder.write("noval/train.txt", `${train.join("\n")}\n`);
  folder.write("noval/test.txt", train.map((_, user) => `${user} 99`).join("\n"));
  const inputs = [path.join(folder.path, "noval")];
  const without = await given({ inputs });
  expect(without.parts.validation).toEqual([]);
  expect(without.manifest).toMatchObject({ train: 465, validation: 0, test: 30 });
  expect(without.warnings).toEqual([
    expect.stringMatching(/^\S+noval has no file for validation, so that the dataset has none: .*`validationShare`/),
  ]);
  expect(without.events.find(({ type }) => type === "warning")).toMatchObject({ options: ["validationShare"] });

  const drawn = await given({ inputs, validationShare: 0.2, seed: 3 });
  expect(drawn.warnings).toEqual([]);
  expect(drawn.parts.test).toEqual(without.parts.test);
  expect(drawn.manifest.preparation).toMatchObject({ split: "given", validationShare: 0.2, seed: 3 });
  const counts = (lines: readonly string[]) =>
    new Map(lines.map((line) => [line.split(":")[0], line.split(" ").length - 1]));
  const [left, taken] = [counts(drawn.parts.train), counts(drawn.parts.validation)];
  for (let user = 0; user < 30; user++) {
    const { validation } = heldOutCounts(user + 1, 0.2, 0);
    expect([left.get(String(user)) ?? 0, taken.get(String(user)) ?? 0]).toEqual([user + 1 - validation, validation]);
  }
  expect((await given({ inputs, validationShare: 0.2, seed: 4 })).parts.validation).not.toEqual(drawn.parts.validation);
});

test("options that a given split leaves without effect are named", async () => {
  folder.write("ignored/train.txt", "0 0 1\n");
  folder.write("ignored/valid.txt", "0 2\n");
  folder.write("ignored/test.txt", "0 3\n");
  const inputs = [path.join(folder.path, "ignored")];
  const { warnings } = await given({ inputs, core: 5, split: "time", validationShare: 0.1 });
  expect(warnings).toEqual([`the split of ${inputs[0]} is kept as given: core, split, validationShare have no effect`]);
});

test("refused: a pair in two parts, an empty part, two files of one part, two splits in one folder", async () => {
  const refused = (...inputs: string[]) =>
    expect(prepare({ inputs, output: path.join(folder.path, "refused") })).rejects;
  const train = folder.write("overlap/train.txt", "0 0 1\n1 5\n");
  const test = folder.write("overlap/test.txt", "1 7\n0 1 3\n");
  await refused(path.join(folder.path, "overlap")).toThrow(
    `1 records of a held-out part repeat a pair of another: user "0" and item "1" are both in ${train} and in ${test}.`,
  );
  folder.write("empty/train.txt", "0 0 1\n1 5\n");
  const none = folder.write("empty/test.txt", "0\n1\n");
  await refused(path.join(folder.path, "empty")).toThrow(`${none} has no interactions: the split has no test part.`);
  const packed = folder.write("overlap/train.txt.gz", "");
  await refused(path.join(folder.path, "overlap")).toThrow(
    `${train} and ${packed} are both the part train of the split`,
  );
  fs.rmSync(packed);
  for (const name of ["a", "b"]) {
    folder.write(`two/${name}.train.inter`, inter("1\t2\t3"));
    folder.write(`two/${name}.test.inter`, inter("1\t3\t3"));
  }
  await refused(path.join(folder.path, "two")).toThrow(
    "two holds more than one split: a.train.inter and b.train.inter.",
  );
  expect(fs.existsSync(path.join(folder.path, "refused"))).toBe(false);
});

test("a file that is named like a part, but alone, is read as before", async () => {
  const alone = folder.write("alone/x.train.inter", inter(...Array.from({ length: 10 }, (_, k) => `1\t${k}\t${k}`)));
  const { manifest } = await given({ inputs: [alone], core: 0 });
  expect(manifest).toMatchObject({ train: 8, validation: 1, test: 1 });
});
