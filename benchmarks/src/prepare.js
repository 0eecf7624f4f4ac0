// `prepare` against the same steps in plain DuckDB SQL: processor time and peak memory, each run in a process of its
// own. Processor time (user + system, all threads) and not the clock, since that tells little on a machine that does
// other work.
import { fork } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { prepare } from "@cllm4rec/corpus";
import { prepareInSql, writeInteractions } from "./prepare-sql.js";

const SELF = fileURLToPath(import.meta.url);

/** @typedef {{ way: "prepare" | "sql"; input: string; output: string }} Job */
/** @typedef {{ interactions: number; seconds: number; megabytes: number }} Measured */

/** @param {Job} job @returns {Promise<Measured>} */
function measured(job) {
  return new Promise((resolve, reject) => {
    const child = fork(SELF, ["--job", JSON.stringify(job)]);
    child.once("message", (message) => resolve(/** @type {Measured} */ (message)));
    child.once("exit", (code) => code !== 0 && reject(new Error(`${job.way} ended with exit code ${code}`)));
  });
}

/** @param {Job} job */
async function work({ way, input, output }) {
  if (way === "prepare") return (await prepare({ inputs: [input], output })).interactions;
  fs.mkdirSync(output);
  return prepareInSql(input, output);
}

/** @param {readonly Measured[]} runs the one in the middle by processor time */
const median = (runs) => runs.toSorted((a, b) => a.seconds - b.seconds)[Math.floor(runs.length / 2)];

const { values } = parseArgs({
  options: {
    interactions: { type: "string", default: "20000000" },
    repeats: { type: "string", default: "1" },
    job: { type: "string" },
  },
});

if (values.job !== undefined) {
  const interactions = await work(JSON.parse(values.job));
  const { user, system } = process.cpuUsage();
  const megabytes = process.resourceUsage().maxRSS / 1024;
  process.send?.({ interactions, seconds: (user + system) / 1e6, megabytes });
} else {
  const rows = Number(values.interactions);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "prepare-bench-"));
  try {
    await writeInteractions(folder, rows);
    const machine =
      `${os.cpus()[0]?.model}, ${os.availableParallelism()} cores, load average ` + `${os.loadavg()[0]?.toFixed(1)}`;
    console.log(
      `${rows.toLocaleString("en-US")} interactions; Node ${process.version}; ${machine}; ` +
        `${new Date().toISOString().slice(0, 10)}\n`,
    );
    console.log("| input | prepare: CPU s | SQL: CPU s | ratio | prepare: peak MiB | SQL: peak MiB | ratio | kept |");
    console.log("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for (const name of ["data.parquet", "data.csv"]) {
      /** @type {Record<"prepare" | "sql", Measured[]>} */
      const runs = { prepare: [], sql: [] };
      // By turns, so that other work on the machine meets both alike.
      for (let repeat = 0; repeat < Number(values.repeats); repeat++) {
        for (const way of /** @type {const} */ (["prepare", "sql"])) {
          const output = path.join(folder, `${way}-${repeat}`);
          runs[way].push(await measured({ way, input: path.join(folder, name), output }));
          fs.rmSync(output, { recursive: true });
        }
      }
      const [own, sql] = [median(runs.prepare), median(runs.sql)];
      if (own === undefined || sql === undefined) throw new RangeError("--repeats is at least 1");
      if (own.interactions !== sql.interactions) {
        throw new Error(`${name}: prepare keeps ${own.interactions} interactions, the SQL ${sql.interactions}`);
      }
      const cells = [
        ...[
          path.extname(name).slice(1),
          own.seconds.toFixed(1),
          sql.seconds.toFixed(1),
          (own.seconds / sql.seconds).toFixed(2),
        ],
        ...[own.megabytes.toFixed(0), sql.megabytes.toFixed(0), (own.megabytes / sql.megabytes).toFixed(2)],
        own.interactions.toLocaleString("en-US"),
      ];
      console.log(`| ${cells.join(" | ")} |`);
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
