// docs/results.md from the records: its prose is kept, the tables between the marks are written anew, the plots lie
// beside the records.
import fs from "node:fs";
import path from "node:path";
import { RUNS, UNLIMITED } from "./plan.js";
import { learningCurves } from "./plot.js";

/**
 * @typedef {object} Moment
 * @property {number} [minutes] what it was given
 * @property {Pick<Moment, "test" | "intervals">} [alone] the model without its blend
 * @property {number} [members] models that answer together
 * @property {number} seconds what it used until the last validation
 * @property {number} [epoch]
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
  const read = (/** @type {string} */ name) => JSON.parse(fs.readFileSync(path.join(records, name), "utf8"));
  const names = fs
    .readdirSync(records)
    .filter((name) => name.endsWith(".json"))
    .sort();
  const compared = names.filter((name) => name.endsWith(".compared.json"));
  const costs = names.filter((name) => name.endsWith(".cost.json"));
  const baselines = names.filter((name) => name.endsWith(".baselines.json"));
  const cold = names.filter((name) => name.endsWith(".cold.json"));
  const all = names
    .filter((name) => ![...compared, ...costs, ...baselines, ...cold].includes(name))
    .map((name) => /** @type {RunRecord} */ (read(name)));
  let text = fs.readFileSync(file, "utf8");
  const put = (/** @type {string} */ mark, /** @type {string} */ content) => {
    const place = new RegExp(`(<!-- table ${mark} -->\n)[\\s\\S]*?(<!-- end -->)`);
    if (!place.test(text))
      throw new Error(
        `${file}: there is no place for ${mark}; put \`<!-- table ${mark} -->\` and \`<!-- end -->\` there`,
      );
    text = text.replace(place, (_, start, end) => `${start}${content}\n${end}`);
  };
  for (const group of new Set(all.map((record) => record.group))) {
    // In the order of the plan.
    const order = Object.keys(RUNS);
    const runs = all
      .filter((record) => record.group === group)
      .sort((a, b) => order.indexOf(a.name) - order.indexOf(b.name) || a.seed - b.seed);
    put(group, group === "instruments" ? seedTable(runs) : table(runs.filter(({ seed }) => seed === 0)));
    const curves = runs.filter(({ curve, seed }) => curve.length > 0 && seed === 0);
    if (curves.length > 0) fs.writeFileSync(path.join(records, `${group}.svg`), learningCurves(curves));
  }
  for (const name of compared) put(name.slice(0, -".json".length), comparisonTable(read(name).comparisons));
  for (const name of baselines) put(name.slice(0, -".json".length), baselineTable(read(name)));
  // The baselines' record first.
  cold.sort((a, b) => Number(b === "beauty.cold.json") - Number(a === "beauty.cold.json"));
  if (cold.length > 0) put("beauty.cold", coldTable(cold.map(read)));
  for (const name of costs) put(name.slice(0, -".json".length), costTable(read(name)));
  fs.writeFileSync(file, text);
}

/**
 * @param {{ date: string, machine: string, results: readonly { backbone: string, layers: number, users: number,
 *   seconds: number, floor: number, wholeFloor: number, tokens: number, gflops: number }[] }} costs
 */
function costTable({ date, machine, results }) {
  const rows = results.map(({ backbone, layers, users, seconds, floor, wholeFloor, tokens, gflops }) => [
    ...[backbone, `${layers}`, `${users}`, `${tokens}`, gflops.toFixed(0), seconds.toFixed(1)],
    ...[wholeFloor, floor].flatMap((f) => [f.toFixed(1), `${((100 * f) / seconds).toFixed(0)}%`]),
  ]);
  const head = [
    "LM",
    "blocks",
    "users",
    "useful tokens",
    "GFLOP/s",
    "epoch, s",
    "floor, s",
    "rate",
    "least, s",
    "rate",
  ];
  return `${asTable(head, rows)}\n\n${machine}, ${date}.`;
}

/**
 * @param {{ reads: string, date: string, baselines: readonly { name: string, method?: string, metrics: Record<string,
 *   number>, intervals: Record<string, [number, number]> }[] }} record
 */
function baselineTable({ reads, date, baselines }) {
  const rows = baselines.map(({ name, method, metrics, intervals }) => [
    name,
    method === "ease with text" ? reads : "interactions",
    ...METRICS.map((metric) => number(metrics[metric])),
    halfWidth(intervals),
    date,
  ]);
  return asTable(["baseline", "reads", ...METRICS, "95% of recall@20", "date"], rows);
}

/** @param {readonly import("./cold.js").ColdRecord[]} records */
function coldTable(records) {
  const rows = records.flatMap(({ date, rows }) =>
    rows.map(({ name, metrics, cold }) => {
      const { amongCold, amongAll, together } = cold;
      return [
        name,
        ...METRICS.map((metric) => number(amongCold.metrics[metric])),
        halfWidth(amongCold.intervals),
        ...[amongAll.metrics, together.metrics, metrics].flatMap((of) => [
          number(of["recall@20"]),
          number(of["ndcg@100"]),
        ]),
        date,
      ];
    }),
  );
  const both = (/** @type {string} */ where) => [`${where}: recall@20`, "ndcg@100"];
  const head = [
    ...["recommender", "cold among cold: recall@20", "recall@40", "ndcg@100", "95% of recall@20"],
    ...[...both("cold among all"), ...both("cold and warm among all"), ...both("warm among all"), "date"],
  ];
  return asTable(head, rows);
}

/**
 * A blend's row, and below it that of its model alone.
 * @param {Moment} moment
 * @returns {(Moment & { name?: string })[]}
 */
function withoutBlend({ alone, ...moment }) {
  return alone ? [moment, { ...moment, ...alone, name: "its model alone" }] : [moment];
}

/** @param {Record<string, [number, number]>} intervals */
const halfWidth = (intervals) =>
  `± ${number(((intervals["recall@20"]?.[1] ?? 0) - (intervals["recall@20"]?.[0] ?? 0)) / 2)}`;

/** @param {readonly RunRecord[]} runs one a name */
function table(runs) {
  const rows = runs.flatMap((run) =>
    run.moments
      .flatMap(withoutBlend)
      .map(({ name, minutes, members, seconds, epoch, test, intervals }) => [
        name ?? (members === undefined ? run.about : `${run.about}, ${members} seeds`),
        minutes === undefined || minutes === UNLIMITED ? "–" : `${minutes}`,
        (seconds / 60).toFixed(0),
        epoch === undefined ? "–" : `${epoch}`,
        ...METRICS.map((metric) => number(test[metric])),
        halfWidth(intervals),
        run.date,
      ]),
  );
  const head = ["run", "of minutes", "took", "epoch", ...METRICS, "95% of recall@20", "date"];
  return asTable(head, rows);
}

/**
 * Methods over their seeds: means, and the deviation between seeds.
 * @param {readonly RunRecord[]} runs
 */
function seedTable(runs) {
  const names = [...new Set(runs.map(({ name }) => name))];
  const rows = names.map((name) => {
    const some = runs.filter((run) => run.name === name);
    const last = some.map(({ moments }) => /** @type {Moment} */ (moments.at(-1)));
    const minutes = last.map(({ seconds }) => seconds / 60);
    return [
      some[0]?.about ?? name,
      `${some.length}`,
      mean(minutes).toFixed(1),
      ...METRICS.map((metric) => {
        const values = last.map(({ test }) => test[metric] ?? Number.NaN);
        const spread = Math.sqrt(
          mean(values.map((value) => (value - mean(values)) ** 2)) * (some.length / (some.length - 1)),
        );
        return number(mean(values)) + (some.length > 1 ? ` ± ${number(spread)}` : "");
      }),
    ];
  });
  return asTable(["run", "seeds", "minutes", ...METRICS], rows);
}

/**
 * @param {readonly { candidate: string, baseline: string, metrics: Record<string, { candidate: number, baseline:
 *   number, difference: number, interval: [number, number], tTest: number, wilcoxon: number }> }[]} comparisons
 */
function comparisonTable(comparisons) {
  const rows = comparisons.flatMap(({ candidate, baseline, metrics }) =>
    ["recall@20", "ndcg@100"].map((metric) => {
      const values = metrics[metric];
      if (!values) throw new Error(`${candidate}, ${baseline}: there is no ${metric}`);
      const [low, high] = values.interval;
      return [
        ...[candidate, baseline, metric, number(values.candidate), number(values.baseline), signed(values.difference)],
        ...[`${signed(low)} to ${signed(high)}`, probability(values.tTest), probability(values.wilcoxon)],
      ];
    }),
  );
  const head = ["", "against", "metric", "its value", "the other's", "difference", "95%", "t-test p", "Wilcoxon p"];
  return asTable(head, rows);
}

/**
 * @param {readonly string[]} head
 * @param {readonly (readonly string[])[]} rows
 */
const asTable = (head, rows) =>
  [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");

/** @param {readonly number[]} values */
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

/** @param {number} value */
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

/** @param {number} p */
const probability = (p) => (p < 1e-3 ? "< 0.001" : p.toFixed(3));

/** @param {number | undefined} value */
const number = (value) => (value === undefined ? "–" : value.toFixed(4));
