// recommend with a model that brings its own titles and histories: what is printed, what counts as history, and that
// errors end the process.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { csrRow } from "@cllm4rec/corpus";
import { readModel, type SavedModel, writeModel } from "@cllm4rec/training/model";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runCli, runIn } from "./run-cli.js";

/** The bookshop of scripts/write-recommend-fixture.mjs: `model` and `backbone`. */
const bookshop = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));
let folder = "";
let saved: SavedModel;
const recommend = (...args: string[]) => runIn(bookshop, ["recommend", ...args]);

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-recommend-"));
  saved = await readModel(path.join(bookshop, "model"));
});
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

/** The model with some of it replaced. */
async function changed(name: string, change: Partial<SavedModel>): Promise<string> {
  const directory = path.join(folder, name);
  await writeModel(directory, { ...saved, ...change });
  return directory;
}

/** What the user has in these splits, by raw id. */
function has(user: string, ...splits: ("train" | "validation" | "test")[]): string[] {
  const row = saved.ids!.users.indexOf(user);
  return splits.flatMap((split) =>
    Array.from(csrRow(saved.histories![split]!, row), (item) => saved.ids!.items[item]!),
  );
}

test("nothing that the user has in train, validation or test is offered, unless --known says that less is known", async () => {
  const offered = async (...args: string[]): Promise<string[]> => {
    const { code, stdout } = await recommend("--model", "model", "--user", "reader-4", "-k", "40", "--json", ...args);
    expect(code).toBe(0);
    const { items }: { items: { item: string; title: string }[] } = JSON.parse(stdout);
    for (const { item, title } of items) expect(title).toBe(saved.titles![saved.ids!.items.indexOf(item)]);
    return items.map(({ item }) => item);
  };
  const everything = has("reader-4", "train", "validation", "test");
  const byDefault = await offered();
  expect(byDefault).toHaveLength(40 - everything.length);
  for (const item of everything) expect(byDefault).not.toContain(item);
  const narrow = await offered("--known", "train");
  for (const item of has("reader-4", "validation", "test")) expect(narrow).toContain(item);
  for (const item of has("reader-4", "train")) expect(narrow).not.toContain(item);
});

test("the table has titles", async () => {
  const { code, stdout } = await recommend("--model", "model", "--user", "reader-2", "-k", "2");
  expect(code).toBe(0);
  expect(stdout).toMatch(/^reader-2\n {4}1 +\d+\.\d{3} {2}crime-\d+ {2}[A-Z].*\n {4}2 .*\n$/);
});

test("a stored prompt without {history} is one error, and the process ends", async () => {
  const { description } = saved;
  const settings = JSON.parse(JSON.stringify(description.settings));
  settings.serving.recommendation.prompts = { historyOnly: "The user will interact with:" };
  const directory = await changed("prompt", { description: { ...description, settings } });
  const args = ["recommend", "--model", directory, "--history", "crime-1"];
  const { code, stdout, stderr } = await runCli(bookshop, args);
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toMatch(/^error: .*prompt "historyOnly": the slot \{history\} is missing in .*\n$/);
});

test("a model without histories says so, and where its dataset can be named", async () => {
  const { histories: _, titles: __, ...rest } = saved;
  const directory = path.join(folder, "old");
  const { description } = rest;
  const settings = JSON.parse(JSON.stringify(description.settings));
  settings.serving.dataset.path = path.join(folder, "moved-away");
  await writeModel(directory, { ...rest, description: { ...description, settings } });
  const byHistory = await recommend("--model", directory, "--history", "crime-1", "-k", "1");
  expect(byHistory).toMatchObject({
    code: 0,
    stderr: expect.stringMatching(/has no histories, and its dataset cannot/),
  });
  const byUser = await recommend("--model", directory, "--user", "reader-2");
  expect(byUser).toMatchObject({ code: 1, stdout: "" });
  expect(byUser.stderr).toMatch(/^error: .*is not a prepared dataset.* If it was moved, give its place as --data$/m);
  const found = await recommend("--model", directory, "--user", "reader-2", "-k", "3", "--data", "data", "--json");
  const complete = await recommend("--model", "model", "--user", "reader-2", "-k", "3", "--json");
  expect([found.code, found.stdout]).toEqual([0, complete.stdout]);
});
