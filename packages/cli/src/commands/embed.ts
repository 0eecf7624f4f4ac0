// cllm4rec embed: vectors of items of the model, and of new items by their text.
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import type { NewItem, Recommender } from "@cllm4rec/recommend";
import { Command } from "commander";
import { z } from "zod";
import { reportVectors } from "../batch/report-vectors.js";
import type { CliContext } from "../context.js";
import type { ModelFlags } from "../models/open.js";
import { ENGINE, MODELS, THREADS } from "../options.js";

interface Flags extends ModelFlags {
  readonly items: string;
  readonly out: string;
  readonly json?: boolean;
}

const HELP = `
Each line of the file is an item: {"item": "B00005JS5C"} for one that the model knows, {"item": "new", "text": "…",
"title": "…"} for a new one. A new item is embedded from its text but not stored: POST /items of serve, or addItems of
@cllm4rec/recommend, adds it to the model.

The file extension sets the format: .parquet and .jsonl have item, title and vector, .csv one column per number; .npy
and .safetensors have the matrix, and FILE.ids.json the ids of its rows.

Examples:
  $ cllm4rec embed --model model --items new.jsonl --out vectors.parquet
  $ generate-items | cllm4rec embed --model model --items - --out vectors.npy

Exit codes: 0 done, 1 the model or a file cannot be used, 2 the command line cannot, 129, 130 or 143 interrupted.
`;

const line = z.strictObject({ item: z.string().min(1), text: z.string().optional(), title: z.string().optional() });

/** The `embed` command. */
export function embedCommand(context: CliContext): Command {
  return new Command("embed")
    .description("Embed items of a model, and new ones from their text.")
    .requiredOption(...MODELS)
    .requiredOption("--items <file>", "items as JSON lines; - is standard input")
    .requiredOption("--out <file>", "vectors as .parquet, .csv, .npy, .jsonl or .safetensors")
    .option("--backbone <dir|hub-id>", "the backbone, if it was moved since")
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object on stdout: the file, its items and the width of a vector")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const [{ withRecommender }, { readJsonLines }, vectors, { formatOf }] = await Promise.all([
        import("../models/open.js"),
        import("../batch/json-lines.js"),
        import("../batch/vectors.js"),
        import("../batch/out-file.js"),
      ]);
      formatOf(flags.out, vectors.VECTOR_FORMATS);
      const lines = await readJsonLines(flags.items, (value) => line.parse(value));
      await withTemporaryItems(flags.model[0]!, async (itemsFile) => {
        await withRecommender(
          flags,
          context,
          async (recommender) => {
            await recommender.addItems(newItems(lines, recommender));
            const items = lines.map(({ item }) => item);
            const { width, data } = await recommender.embedItems(items);
            const titles = items.map((item) => recommender.titleOf(item));
            await vectors.writeVectors(flags.out, { items, titles, width, data });
            reportVectors(context, flags, { file: flags.out, items: items.length, width });
          },
          { itemsFile },
        );
      });
    });
}

/** The items with a text; the others have to be known. */
function newItems(lines: readonly z.infer<typeof line>[], recommender: Recommender): NewItem[] {
  return lines.flatMap(({ item, text, title }) =>
    text === undefined && (title === undefined || recommender.hasItem(item)) ? [] : [{ item, text: text ?? "", title }],
  );
}

/** A copy of the model's added items, so that what is embedded is not kept. */
async function withTemporaryItems<T>(model: string, work: (itemsFile: string) => Promise<T>): Promise<T> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), "cllm4rec-embed-"));
  const itemsFile = path.join(folder, "added-items.json");
  try {
    await fs.copyFile(path.join(model, "added-items.json"), itemsFile).catch(() => undefined);
    return await work(itemsFile);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}
