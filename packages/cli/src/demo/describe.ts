// What the demo tells at its end.
import { oneLine } from "../terminal.js";
import type { DemoItem, DemoResult, DemoUser } from "./run.js";
import { asTyped } from "./shell.js";

const METRICS = ["recall@20", "recall@40", "ndcg@100"];
const CLLM4REC = "CLLM4Rec";
/** As many of a history as fit on a screen. */
const SHOWN = 6;

/** Metrics in a table, and a few people's recommendations by title. */
export function describeDemo({ users, metrics, baselines, recommendations, seconds }: DemoResult): string {
  const rows = [...baselines, { name: CLLM4REC, metrics }];
  const width = Math.max(...rows.map(({ name }) => name.length));
  const line = (name: string, cells: readonly string[]) =>
    `  ${name.padEnd(width)}  ${cells.map((cell) => cell.padStart(9)).join("  ")}`;
  return [
    "",
    `Test items of ${users} users, found among all items:`,
    line("", METRICS),
    ...rows.map((row) =>
      line(
        row.name,
        METRICS.map((name) => (row.metrics[name] ?? Number.NaN).toFixed(4)),
      ),
    ),
    "",
    ...winners(rows),
    ...recommendations.flatMap(personal),
    "",
    `Done in ${seconds.toFixed(0)} s.`,
  ].join("\n");
}

/** Which row is best by each metric. */
function winners(rows: readonly { readonly name: string; readonly metrics: DemoResult["metrics"] }[]): string[] {
  const best = METRICS.map((metric) => {
    const value = (row: (typeof rows)[number]) => row.metrics[metric] ?? Number.NEGATIVE_INFINITY;
    return rows.reduce((leader, row) => (value(row) > value(leader) ? row : leader)).name;
  });
  const won = [...new Set(best)].map((name) => {
    const metrics = METRICS.filter((_, m) => best[m] === name);
    return `${name} is best by ${metrics.join(" and ")}.`;
  });
  const lost = best.every((name) => name !== CLLM4REC)
    ? ["On a shop as small as this, simple methods are hard to beat, and quicker: measure them on your data too."]
    : [];
  return [...won, ...lost].map((line) => `  ${line}`);
}

function personal({ user, history, recommended }: DemoUser): string[] {
  const more = history.length > SHOWN ? [`… and ${history.length - SHOWN} more`] : [];
  return [
    "",
    `${oneLine(user)} has bought`,
    ...[...history.slice(0, SHOWN).map(named), ...more].map((text) => `    ${text}`),
    "  and is recommended",
    ...recommended.map((item, rank) => `  ${rank + 1} ${item.found ? "*" : " "}${named(item)}`),
    ...(recommended.some(({ found }) => found) ? ["    * has been bought: held out, and found"] : []),
  ];
}

const named = ({ title }: DemoItem) => oneLine(title);

/** What the demo ran on, where the report is, and what to run next. */
export function nextSteps({ data, report }: DemoResult): string {
  const bigger = ["--data", data, "--backbone", "HuggingFaceTB/SmolLM2-135M", "--out", "smollm2", "--minutes", "60"];
  const own = ["--input", "reviews.json.gz", "--out", "mine"];
  const ownModel = ["--data", "mine", "--backbone", "gpt2", "--out", "mine-model"];
  return [
    `The report, for a browser: ${report}`,
    "The shop, its customers and their reviews are made up, and the language model has read nothing but texts of " +
      "such shops.",
    "",
    "With a real language model from the Hugging Face Hub (or --backbone gpt2):",
    `  ${asTyped("train", bigger)}`,
    "With your own reviews (cllm4rec prepare --help says in which formats):",
    `  ${asTyped("prepare", own)} && ${asTyped("train", ownModel)}`,
    "",
  ].join("\n");
}
