// One contender for a directory's lock: node lock-contender.mjs BUILT-LOCK [RUNS]. Reads a line `DIRECTORY GO-FILE` for
// each round, says ready, waits for the file, tries RUNS times at once, and answers with a line of the outcomes: held
// or refused. What is held is given back when there is a file GO-FILE.over. Until then a file in the directory marks
// it, so that two holders are seen even where both believe in their lock.
import fs from "node:fs";
import path from "node:path";
import readline from "node:readline";

const [module, runs = "1"] = process.argv.slice(2);
const { lockDirectory } = await import(module ?? "");

/** Creates a file that nobody else may have: the witness of being alone. */
function enter(/** @type {string} */ directory) {
  const file = path.join(directory, "inside");
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx" });
    return () => fs.rmSync(file);
  } catch {
    return undefined;
  }
}

/** @returns {Promise<string>} */
async function attempt(/** @type {string} */ directory, /** @type {string} */ go) {
  let release;
  try {
    release = await lockDirectory(directory);
  } catch (thrown) {
    const error = /** @type {Error} */ (thrown);
    return error.name === "UsageError" ? "refused" : `${error.name}: ${error.message}`;
  }
  const leave = enter(directory);
  while (!fs.existsSync(`${go}.over`)) await new Promise((resolve) => setTimeout(resolve, 2));
  leave?.();
  await release();
  return leave ? "held" : "held beside another";
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [directory = "", go = ""] = line.split(" ");
  console.log("ready");
  while (!fs.existsSync(go)); // as near together as processes get
  const attempts = Array.from({ length: Number(runs) }, () => attempt(directory, go));
  console.log((await Promise.all(attempts)).join(","));
}
