// Contests for a model directory's lock: contenders in processes of their own, and several runs in one process, on a
// directory whose lock is absent, stale, unwritten, or held. Build first; then: node
// packages/cli/scripts/reliability/lock-contest.mjs [ROUNDS]
import { spawn, spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

const BUILT = new URL("../../dist/lock.js", import.meta.url).href;
const CONTENDER = fileURLToPath(new URL("lock-contender.mjs", import.meta.url));

/** What lies in the directory before a round. */
/** @type {Record<string, () => string | undefined>} */
export const BEFORE = {
  absent: () => undefined,
  stale: () => JSON.stringify({ host: os.hostname(), process: deadProcess(), since: "2024-01-01T00:00:00.000Z" }),
  "number taken by another process since": () =>
    JSON.stringify({ host: os.hostname(), process: 1, since: "2024-01-01T00:00:00.000Z", start: otherStart() }),
  unwritten: () => "",
  "another machine's": () => JSON.stringify({ host: "elsewhere", process: 1, since: "2024-01-01T00:00:00.000Z" }),
};

/** A number that no process has any more. */
function deadProcess() {
  return spawnSync(process.execPath, ["-e", ""]).pid;
}

/** A start of process 1 that is not its own; none where the system says nothing of it. */
function otherStart() {
  if (process.platform !== "linux") return undefined;
  const boot = fs.readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  return { boot, namespace: fs.readlinkSync("/proc/self/ns/pid"), ticks: "-1" };
}

/**
 * @param {{ before: string, processes: number, runs: number, rounds: number, module?: string | undefined }} contest
 *   `runs` in each process
 * @returns how many rounds ended with that many holders, by number, and outcomes that are neither held nor refused
 */
export async function contest({ before, processes, runs, rounds, module = BUILT }) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "lock-contest-"));
  const contenders = Array.from({ length: processes }, () => {
    const child = spawn(process.execPath, [CONTENDER, module, String(runs)], { stdio: ["pipe", "pipe", "inherit"] });
    const lines = readline.createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    return { child, next: async () => (await lines.next()).value ?? "ended" };
  });
  /** @type {Record<number, number>} */
  const holders = {};
  /** @type {string[]} */
  const odd = [];
  let leftovers = 0;
  try {
    for (let round = 0; round < rounds; round++) {
      const directory = path.join(folder, `round-${round}`);
      const go = path.join(folder, `go-${round}`);
      fs.mkdirSync(directory);
      const lock = BEFORE[before]?.();
      if (lock !== undefined) fs.writeFileSync(path.join(directory, "lock.json"), lock);
      for (const { child } of contenders) child.stdin.write(`${directory} ${go}\n`);
      await Promise.all(contenders.map(({ next }) => next()));
      fs.writeFileSync(go, "");
      const answers = contenders.map(({ next }) => next());
      await new Promise((resolve) => setTimeout(resolve, 60 + 40 * Math.random()));
      fs.writeFileSync(`${go}.over`, "");
      const outcomes = (await Promise.all(answers)).join(",").split(",");
      const held = outcomes.filter((outcome) => outcome.startsWith("held"));
      // Contenders that tried after the release may hold it in turn; two at once is what a witness saw.
      const most = held.includes("held beside another") ? 2 : Math.min(held.length, 1);
      holders[most] = (holders[most] ?? 0) + 1;
      odd.push(...outcomes.filter((outcome) => outcome !== "refused" && !outcome.startsWith("held")));
      leftovers += fs.readdirSync(directory).filter((name) => name !== "lock.json" && name !== "inside").length;
    }
  } finally {
    for (const { child } of contenders) child.stdin.end();
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return { holders, odd, leftovers };
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const rounds = Number(process.argv[2] ?? 200);
  const module = process.argv[3] && pathToFileURL(path.resolve(process.argv[3])).href;
  console.log("lock before | processes × runs | rounds | no holder | one | two | other errors | files left");
  for (const before of Object.keys(BEFORE)) {
    for (const [processes, runs] of /** @type {[number, number][]} */ ([
      [2, 1],
      [4, 1],
      [1, 2],
      [2, 3],
    ])) {
      const { holders, odd, leftovers } = await contest({ before, processes, runs, rounds, module });
      const cells = [
        before,
        `${processes} × ${runs}`,
        rounds,
        ...[0, 1, 2].map((n) => holders[n] ?? 0),
        odd.length,
        leftovers,
      ];
      console.log(cells.join(" | "));
      if (odd.length > 0) console.log(`  such as ${odd[0]}`);
    }
  }
}
