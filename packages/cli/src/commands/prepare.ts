// cllm4rec prepare: raw files → a split dataset directory.
import path from "node:path";
import {
  type ColumnMapping,
  checkFormat,
  ENCODINGS,
  type Encoding,
  FORMAT_DESCRIPTIONS,
  type FormatName,
  type Manifest,
  type PrepareEvent,
  type PrepareOptions,
  parseColumns,
  parseMetaColumns,
  prepare,
  QUOTES,
  type Quote,
  type SplitMethod,
} from "@cllm4rec/corpus";
import { Command, Option } from "commander";
import type { CliContext } from "../context.js";
import { MAX_THREADS } from "../engine/engine.js";
import { withFlags } from "../errors.js";
import { collect, integerFrom, numberFrom, numberOrNone, parsedBy, share } from "../options.js";
import { StageDisplay } from "../progress.js";

interface Flags {
  input: readonly string[];
  meta?: readonly string[];
  format?: FormatName;
  columns?: ColumnMapping;
  metaColumns?: NonNullable<PrepareOptions["metaColumns"]>;
  quote?: Quote;
  encoding?: Encoding;
  minRating?: number | "none";
  core?: number;
  split?: SplitMethod;
  seed?: number;
  validationShare?: number;
  testShare?: number;
  holdOutItems?: number;
  maxMalformed?: number;
  threads?: number;
  memoryLimit?: string;
  out: string;
  force?: boolean;
  json?: boolean;
}

const HELP = `
Formats (detected from the content unless you give --format; for each --meta file separately):
${Object.entries(FORMAT_DESCRIPTIONS)
  .map(([name, about]) => `  ${name.padEnd(15)} ${about}`)
  .join("\n")}

Examples:
  $ cllm4rec prepare --input reviews_Beauty_5.json.gz --meta meta_Beauty.json.gz --out beauty
  $ cllm4rec prepare --input ml-1m/ratings.dat --meta ml-1m/movies.dat --split leave-one-out --out ml-1m-split
  $ cllm4rec prepare --input reviews_Beauty_5.json.gz --split cllm4rec --out beauty    # the paper's own split
  $ cllm4rec prepare --input am-beauty-matrices/ --meta id_to_tag.json tag_to_item.json --out beauty
  $ cllm4rec prepare --input gowalla/ --validation-share 0.1 --out gowalla-split    # train.txt and test.txt, LightGCN's
  $ cllm4rec prepare --input a.csv b.csv.zst --columns user=uid,item=sku,rating=stars,timestamp=t,text=body \\
      --min-rating none --core 0 --split time --out shop --json
  $ cllm4rec prepare --input reviews_Beauty_5.json.gz --meta meta_Beauty.json.gz --hold-out-items 0.2 --out beauty-cold
  $ cllm4rec prepare --input events.txt --columns user=1,item=3,timestamp=2 --out shop

Exit codes: 0 done, 1 the data cannot be used, 2 wrong usage, 129, 130 or 143 interrupted.
`;

/** The `prepare` command. */
export function prepareCommand(context: CliContext): Command {
  return new Command("prepare")
    .description("Read interactions and texts, filter, split, and write a dataset directory.")
    .addOption(
      new Option("--input <file...>", "files of interactions, or one folder: matrices, or the files of a given split")
        .argParser(collect)
        .makeOptionMandatory(),
    )
    .addOption(new Option("--meta <file...>", "files that describe items and users").argParser(collect))
    .option("--format <name>", "format of the inputs (see below; default: recognised)", parsedBy(checkFormat))
    .option(
      "--columns <mapping>",
      "columns of csv, tsv, jsonl, json, parquet by name, or by position where there is no header: " +
        "user=…,item=…[,rating=…,timestamp=…,text=…]",
      parsedBy(parseColumns),
    )
    .option(
      "--meta-columns <mapping>",
      "columns of such metadata: item=…|user=…[,title=…,text=…]",
      parsedBy(parseMetaColumns),
    )
    .addOption(
      new Option("--quote <kind>", "quoting of csv and tsv fields (default: double for csv, none for tsv)").choices([
        ...QUOTES,
      ]),
    )
    .addOption(new Option("--encoding <name>", "of text files (default: utf-8)").choices([...ENCODINGS]))
    .option("--min-rating <number|none>", "keep ratings above this (default: 3 where there are ratings)", numberOrNone)
    .option("--core <k>", "users and items keep at least k interactions; 0: no filter (default: 5)", integerFrom(0))
    .addOption(
      new Option("--split <method>", "how to split (default: random)").choices([
        "random",
        "leave-one-out",
        "time",
        "cllm4rec",
      ]),
    )
    .option(
      "--seed <n>",
      "seed of the splits random (default: 0) and cllm4rec (default: 98765), and of --hold-out-items",
      integerFrom(0),
    )
    .option(
      "--validation-share <share>",
      "of each user's interactions (default: 0.1; of a given split without validation: none)",
      share,
    )
    .option("--test-share <share>", "of each user's interactions (default: 0.1)", share)
    .option(
      "--hold-out-items <share>",
      "cold items: this share of the items with text, drawn by --seed, has no interactions in training and " +
        "validation; its interactions are a separate test (default: none)",
      numberFrom(0, { above: true }),
    )
    .option("--max-malformed <share>", "the largest share of malformed records that is accepted (default: 0.1)", share)
    .option("--threads <n>", "threads for reading and writing (default: one a core)", integerFrom(1, MAX_THREADS))
    .option("--memory-limit <size>", 'for reading and writing, such as "2GB" (default: 80% of memory)')
    .requiredOption("--out <dir>", "the dataset directory to write")
    .option("--force", "replace a dataset that is already there")
    .option("--json", "print one JSON object instead of a table")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const display = new StageDisplay(context.stderr, context.verbosity);
      const { input, out, json, minRating, ...rest } = flags;
      try {
        const manifest = await prepare({
          ...rest,
          ...(minRating !== undefined && { minRating: minRating === "none" ? null : minRating }),
          inputs: input,
          output: out,
          signal: context.signal,
          onEvent: (event) => show(event, display),
        });
        display.stop();
        context.stdout.write(json ? `${JSON.stringify(summary(manifest, out))}\n` : table(manifest, out));
      } finally {
        display.stop();
      }
    });
}

function show(event: PrepareEvent, display: StageDisplay): void {
  if (event.type === "stage") display.start(stageLabel(event));
  else if (event.type === "progress") display.update(event.share);
  else if (event.type === "warning") display.warn(withFlags(event.message, event.options));
  else display.say(sentence(event));
}

function sentence(event: Exclude<PrepareEvent, { type: "stage" | "progress" | "warning" }>): string {
  switch (event.type) {
    case "format":
      return `format: ${event.format}${event.detected ? " (recognised)" : ""}`;
    case "malformed":
      return [`malformed: ${event.file}, ${event.place}, ${event.reason}`, event.snippet].filter(Boolean).join(": ");
    case "held out":
      return event.message;
    case "metadata":
      return `format of ${event.file}: ${event.format} (recognised)`;
  }
}

function stageLabel({ stage, file }: Extract<PrepareEvent, { type: "stage" }>): string {
  const name = file === undefined ? "" : ` ${path.basename(file)}`;
  return {
    read: `reading${name}`,
    filter: "filtering and splitting",
    describe: `reading texts from${name}`,
    write: "writing",
  }[stage];
}

/** The object that `--json` prints; scripts rely on the first line of keys. */
function summary(manifest: Manifest, out: string): Record<string, unknown> {
  const { users, items, interactions, train, validation, test, records, statistics, provenance, preparation } =
    manifest;
  const { coldTest, coldItems } = manifest;
  const { records: read, malformed, duplicates, ...dropped } = records;
  return {
    ...{ users, items, interactions, train, validation, test, records: read, malformed, duplicates },
    ...dropped,
    sparsity: statistics.sparsity,
    features: statistics.features,
    trainReviews: statistics.trainReviews,
    itemTexts: statistics.itemTexts,
    userTexts: statistics.userTexts,
    format: provenance.reader,
    ...preparation,
    ...(coldItems && { coldTest, coldItems }),
    out,
  };
}

/** Table 3 of the paper for this dataset, and what became of the records. */
function table(manifest: Manifest, out: string): string {
  const { users, items, interactions, train, validation, test, records, statistics } = manifest;
  const { coldTest = 0, coldItems } = manifest;
  const number = (value: number) => value.toLocaleString("en-US");
  const row = (label: string, value: string, note = "") =>
    `  ${label.padEnd(14)}${value.padStart(12)}${note && `  ${note}`}\n`;
  const dropped = [
    [records.malformed, "malformed"],
    [records.duplicates, "duplicates"],
    [records.belowRating, `not above rating ${manifest.preparation.minRating}`],
    [records.withoutRating, "without rating"],
    [records.outsideCore, `outside the ${manifest.preparation.core}-core`],
  ] as const;
  return [
    `${out}\n`,
    row(
      "interactions",
      number(interactions),
      `train ${number(train)}, validation ${number(validation)}, test ${number(test)}`,
    ),
    row("users", number(users), `${statistics.meanInteractionsPerUser.toFixed(1)} interactions each`),
    row("items", number(items), `${statistics.meanInteractionsPerItem.toFixed(1)} interactions each`),
    coldItems
      ? row(
          "cold items",
          number(coldItems.items),
          `of ${number(coldItems.itemsWithText)} with text, ${number(coldTest)} interactions; users left without ` +
            `training: ${number(coldItems.usersWithoutTraining)}`,
        )
      : "",
    // Two decimals as in the paper, more where they would read 100.00%.
    row("sparsity", `${(statistics.sparsity * 100).toFixed(statistics.sparsity > 0.9999 ? 4 : 2)}%`),
    row(
      "text features",
      number(statistics.features),
      `${number(statistics.trainReviews)} training reviews, ${number(statistics.itemTexts)} items, ` +
        `${number(statistics.userTexts)} users`,
    ),
    row(
      "records read",
      number(records.records),
      dropped
        .filter(([count]) => count > 0)
        .map(([count, what]) => `${number(count)} ${what}`)
        .join(", "),
    ),
  ].join("");
}
