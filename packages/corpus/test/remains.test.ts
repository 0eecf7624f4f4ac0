// What kill −9 leaves beside a dataset: gone at the next start, and a dataset set aside comes back.
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { publishDirectory } from "../src/dataset/publish.js";

const host = os.hostname().replaceAll(/[^\w]/g, "_");
const dead = spawnSync(process.execPath, ["-e", ""]).pid;
let parent = "";
beforeEach(() => {
  parent = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-remains-"));
});
afterEach(() => fs.rmSync(parent, { recursive: true, force: true }));

const publish = (name: string) =>
  publishDirectory(path.join(parent, name), false, async (temporary) => {
    fs.writeFileSync(path.join(temporary, "manifest.json"), "{}");
  });

test("a dead process's folders are removed; a living one's, another machine's and other datasets' stay", async () => {
  const stay = [
    `.d.partial-${host}-${process.pid}-aaaaaa`,
    `.d.partial-elsewhere-${dead}-aaaaaa`,
    ".d.partial-mine",
    `.e.partial-${host}-${dead}-aaaaaa`,
  ];
  for (const name of [...stay, `.d.partial-${host}-${dead}-aaaaaa`]) {
    fs.mkdirSync(path.join(parent, name));
    fs.writeFileSync(path.join(parent, name, "interactions.parquet"), "half");
  }
  await publish("d");
  expect(fs.readdirSync(parent).sort()).toEqual([...stay, "d"].sort());
});

test("a dataset that was set aside comes back where a kill kept the new one from its place", async () => {
  const aside = `.d.replaced-${host}-${dead}`;
  fs.mkdirSync(path.join(parent, aside));
  fs.writeFileSync(path.join(parent, aside, "manifest.json"), "old");
  await publish("other");
  expect(fs.existsSync(path.join(parent, aside))).toBe(true);
  await expect(publish("d")).rejects.toThrow(/already holds a dataset/);
  expect(fs.readFileSync(path.join(parent, "d", "manifest.json"), "utf8")).toBe("old");
  expect(fs.readdirSync(parent).sort()).toEqual(["d", "other"]);
});
