// docs/results.md from the records: its prose is kept, the tables between the marks are written anew, the plots lie beside the records.
import fs from "node:fs";
import path from "node:path";
import { learningCurves } from "./plot.js";

/**
 * @typedef {object} Moment
 * @property {number} minutes what it was given
 * @property {number} seconds what it used until the last validation
 * @property {number} epoch
 * @property {number} users
 * @property {Record<string, number>} test
 * @property {Record<string, [number, number]>} intervals
 *
 * @typedef {object} RunRecord
 * @property {string} name
 * @property {number} seed
 * @property {string} about
 * @property {string} group
 * @property {string} dataset
 * @property {string} backbone
 * @property {string} date
 * @property {string} machine
 * @property {Moment[]} moments
 * @property {{ seconds: number, epoch: number, validation: Record<string, number> }[]} curve
 */

const METRICS = ["recall@20", "recall@40", "ndcg@100"];

/**
 * @param {string} records the folder with the records
 * @param {string} file the document
 */
export function writeDocument(records, file) {
  const all = fs
    .readdirSync(records)
    .filter((name) => name.endsWith(".json"))
    .sort()
    .map((name) => /** @type {RunRecord} */ (JSON.parse(fs.readFileSync(path.join(records, name), "utf8"))));
  let text = fs.readFileSync(file, "utf8");
  for (const group of new Set(all.map((record) => record.group))) {
    const runs = all.filter((record) => record.group === group);
    const mark = new RegExp(`(<!-- table ${group} -->\n)[\\s\\S]*?(<!-- end -->)`);
    if (!mark.test(text))
      throw new Error(
        `${file}: there is no place for the runs of ${group}; put \`<!-- table ${group} -->\` and \`<!-- end -->\` there`,
      );
    text = text.replace(mark, (_, start, end) => `${start}${table(runs)}\n${end}`);
    fs.writeFileSync(path.join(records, `${group}.svg`), learningCurves(runs));
  }
  fs.writeFileSync(file, text);
}

/** @param {readonly RunRecord[]} runs */
function table(runs) {
  const rows = runs.flatMap((run) =>
    run.moments.map(({ seconds, epoch, test, intervals }) => [
      run.about + (run.seed === 0 ? "" : `, seed ${run.seed}`),
      (seconds / 60).toFixed(0),
      `${epoch}`,
      ...METRICS.map((metric) => number(test[metric])),
      `± ${number(((intervals["recall@20"]?.[1] ?? 0) - (intervals["recall@20"]?.[0] ?? 0)) / 2)}`,
      run.date,
    ]),
  );
  const head = ["run", "minutes", "epoch", ...METRICS, "95% of recall@20", "date"];
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** @param {number | undefined} value */
const number = (value) => (value === undefined ? "–" : value.toFixed(4));
