// cllm4rec export: the vectors of all items of a model, or the model itself, for other programs.
import { Command, Option } from "commander";
import { reportVectors } from "../batch/report-vectors.js";
import type { CliContext } from "../context.js";
import { UsageError } from "../errors.js";
import { bytes } from "../format.js";
import type { ModelFlags } from "../models/open.js";
import { ENGINE, MODELS, THREADS } from "../options.js";
import { StageDisplay } from "../progress.js";

const VECTORS = { parquet: "parquet", safetensors: "safetensors", numpy: "npy" } as const;

interface Flags extends ModelFlags {
  readonly format: keyof typeof VECTORS | "onnx";
  readonly out: string;
  readonly json?: boolean;
}

const HELP = `
Writes items.parquet (item, title, vector), items.safetensors or items.npy with items.*.ids.json (the raw id of each
row) into the folder. The inner product of an item's vector and the vector of a user or history (embedUser of
@cllm4rec/recommend) is the item's score by the model alone, without a blend: index the vectors by inner product, not by
cosine. The README has recipes for Qdrant and pgvector.

onnx writes model.onnx, the language model with the tables of one model in one file, and model.json, which describes how
to make a prompt for it.

Examples:
  $ cllm4rec export --model model --format parquet --out vectors
  $ cllm4rec export --model model --format onnx --out onnx

Exit codes: 0 done, 1 the model or a file cannot be used, 2 the command line cannot, 129, 130 or 143 interrupted.
`;

/** The `export` command. */
export function exportCommand(context: CliContext): Command {
  return new Command("export")
    .description("Write the vectors of all items, added ones included, or the model as ONNX.")
    .requiredOption(...MODELS)
    .addOption(
      new Option("--format <name>", "of the file").choices([...Object.keys(VECTORS), "onnx"]).makeOptionMandatory(),
    )
    .requiredOption("--out <dir>", "where the file is written")
    .option("--backbone <dir|hub-id>", "the backbone, if it was moved since")
    .option(...ENGINE)
    .option(...THREADS)
    .option("--json", "one JSON object on stdout: the file and what is in it")
    .addHelpText("after", HELP)
    .action(async (flags: Flags) => {
      const { format, out, model } = flags;
      if (format === "onnx") {
        if (model.length > 1) throw new UsageError(`--format onnx writes one model, and --model names ${model.length}`);
        const [{ writeOnnx }, { serving }] = await Promise.all([
          import("../batch/onnx.js"),
          import("../models/workplace.js"),
        ]);
        const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
        const { signal, stderr, verbosity } = context;
        const display = new StageDisplay(stderr, verbosity);
        await serving({ ...flags, engine }, { signal, display }, async (places) => {
          const written = await writeOnnx(model[0]!, out, places);
          if (flags.json) context.stdout.write(`${JSON.stringify(written)}\n`);
          else stderr.write(`${written.file}: ${bytes(written.bytes)}\n`);
        });
        return;
      }
      const [{ withRecommender }, { writeVectors }, path] = await Promise.all([
        import("../models/open.js"),
        import("../batch/vectors.js"),
        import("node:path"),
      ]);
      await withRecommender(flags, context, async (recommender) => {
        const { items } = recommender;
        const { width, data } = await recommender.embedItems();
        const titles = items.map((item) => recommender.titleOf(item));
        const file = path.join(out, `items.${VECTORS[format]}`);
        await writeVectors(file, { items, titles, width, data });
        reportVectors(context, flags, { file, items: items.length, width });
      });
    });
}
