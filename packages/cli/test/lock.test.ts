// The lock of a model directory in the contest that found its predecessor wanting, and what its messages say.
import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { contest } from "../scripts/reliability/lock-contest.mjs";
import { lockDirectory } from "../src/files/lock.js";

const ROUNDS = 6;

describe("a contest has one winner, and never two", () => {
  for (const before of ["absent", "stale", "number taken by another process since"] as const) {
    test(`lock ${before}: contenders in processes, and several runs in one`, async () => {
      for (const [processes, runs] of [
        [2, 1],
        [2, 3],
      ] as const) {
        const { holders, odd, leftovers } = await contest({ before, processes, runs, rounds: ROUNDS });
        expect({ holders, odd, leftovers }).toEqual({ holders: { 1: ROUNDS }, odd: [], leftovers: 0 });
      }
    });
  }

  test("what nobody can judge is not taken over", async () => {
    for (const before of ["unwritten", "another machine's"] as const) {
      const { holders, odd } = await contest({ before, processes: 2, runs: 1, rounds: 3 });
      expect({ holders, odd }).toEqual({ holders: { 0: 3 }, odd: [] });
    }
  });
});

describe("one directory", () => {
  let folder = "";
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-lock-"));
  });
  afterEach(() => fs.rmSync(folder, { recursive: true, force: true }));
  const lock = () => path.join(folder, "lock.json");

  test("a second run in the same process is refused, and gets it once the first is done", async () => {
    const release = await lockDirectory(folder);
    await expect(lockDirectory(folder)).rejects.toThrow(`is being written by process ${process.pid} on `);
    await release();
    expect(fs.readdirSync(folder)).toEqual([]);
    await (await lockDirectory(folder))();
  });

  test("an unwritten lock is left alone; the message says what to do", async () => {
    fs.writeFileSync(lock(), "");
    await expect(lockDirectory(folder)).rejects.toThrow(
      `${lock()}: does not say which process holds it, so it is left alone; remove it if no other run writes to ` +
        `${folder}`,
    );
    expect(fs.readFileSync(lock(), "utf8")).toBe("");
    expect(fs.readdirSync(folder)).toEqual(["lock.json"]);
  });

  test("claims of killed contenders are removed; the lock of whoever took it by hand is not", async () => {
    const child = spawn(process.execPath, ["-e", ""]);
    await once(child, "exit");
    const dead = { host: os.hostname(), process: child.pid, since: new Date().toISOString() };
    fs.writeFileSync(path.join(folder, "lock.json.0000000000000000.claim"), JSON.stringify(dead));
    const release = await lockDirectory(folder);
    expect(fs.readdirSync(folder)).toEqual(["lock.json"]);
    fs.rmSync(lock());
    const other = await lockDirectory(folder);
    await release();
    expect(fs.existsSync(lock())).toBe(true);
    await other();
  });
});
