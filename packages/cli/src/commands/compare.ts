// cllm4rec compare: whether one recommender is better than another, user by user.
import { Command } from "commander";
import type { CliContext } from "../context.js";
import { decimal, signed } from "../format.js";
import { integerFrom } from "../options.js";

interface Flags {
  readonly candidate: readonly string[];
  readonly baseline: readonly string[];
  readonly seed: number;
  readonly json?: boolean;
}

const HELP = `
Compares files of evaluate --per-user and baselines --per-user. Several files on one side are runs of one method with
different seeds: every user's values are averaged over them first. The difference of the means has a 95% bootstrap
interval over users; the p-values are those of the paired t-test and of Wilcoxon's signed-rank test, not corrected for
the number of metrics.

Examples:
  $ cllm4rec evaluate --model model --per-user model.json
  $ cllm4rec baselines --data data --per-user baselines
  $ cllm4rec compare --candidate model.json --baseline baselines/item-knn.json
  $ cllm4rec compare --candidate a0.json a1.json a2.json --baseline b0.json b1.json b2.json --json

Exit codes: 0 done, 1 a file cannot be used or holds other users, 2 wrong usage, 129, 130 or 143
interrupted.
`;

/** The `compare` command. */
export function compareCommand(context: CliContext): Command {
  return new Command("compare")
    .description("Compare two recommenders user by user: difference, interval, paired tests.")
    .requiredOption("--candidate <file...>", "values of the first recommender")
    .requiredOption("--baseline <file...>", "values of the second recommender")
    .option("--seed <n>", "seed of the bootstrap", integerFrom(0), 0)
    .option("--json", "one JSON object on stdout")
    .addHelpText("after", HELP)
    .action(async ({ candidate, baseline, seed, json }: Flags) => {
      const [{ averageRuns, compareRuns }, { readPerUser }] = await Promise.all([
        import("@cllm4rec/eval"),
        import("../evaluation/per-user.js"),
      ]);
      const read = (files: readonly string[]) => Promise.all(files.map(readPerUser));
      const [ours, theirs] = [await read(candidate), await read(baseline)];
      const files = [...candidate, ...baseline];
      const conventions = [...ours, ...theirs].map(({ convention }) => convention);
      const other = conventions.findIndex((convention) => convention !== conventions[0]);
      if (other > 0) {
        throw new Error(
          `${files[other]}: found ${conventions[other]}, expected ${conventions[0]} as in ${files[0]}; evaluate ` +
            "all of them in the same way",
        );
      }
      const one = averageRuns(ours.map(({ result }) => result));
      const comparisons = compareRuns(one, averageRuns(theirs.map(({ result }) => result)), { seed });
      if (json) {
        const metrics = Object.fromEntries(
          Object.entries(comparisons).map(([name, { candidate: a, baseline: b, difference, tTest, wilcoxon }]) => [
            name,
            {
              ...{ candidate: a, baseline: b, difference: a - b, interval: [difference.low, difference.high] },
              ...{ tTest: tTest.pValue, wilcoxon: wilcoxon.pValue },
            },
          ]),
        );
        context.stdout.write(`${JSON.stringify({ users: one.users, metrics, candidate, baseline })}\n`);
        return;
      }
      const rows = Object.entries(comparisons).map(
        ([name, { candidate: a, baseline: b, difference, tTest, wilcoxon }]) => [
          name,
          decimal(a),
          decimal(b),
          signed(a - b),
          `[${signed(difference.low)}, ${signed(difference.high)}]`,
          probability(tTest.pValue),
          probability(wilcoxon.pValue),
        ],
      );
      const head = ["", "candidate", "baseline", "difference", "95%", "t-test p", "Wilcoxon p"];
      context.stdout.write(`${one.users} users\n${aligned([head, ...rows])}`);
    });
}

const probability = (p: number) => (p < 1e-4 ? p.toExponential(1) : decimal(p));

/** Rows as columns of equal width, the first to the left and the others to the right. */
function aligned(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  const line = (row: readonly string[]) =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!))).join("  ");
  return `${rows.map((row) => line(row).trimEnd()).join("\n")}\n`;
}
