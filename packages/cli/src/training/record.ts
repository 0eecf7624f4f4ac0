// run.json: everything that a run was started with. The same run resumes; one of other settings is refused before it
// touches anything.
import fs from "node:fs/promises";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { savedUpdates, stageCheckpoint } from "@cllm4rec/training/stage";
import { z } from "zod";
import { UsageError } from "../errors.js";
import { writeWhole } from "../files/whole-file.js";
import { parseRecorded, type RunConfig, STAGES, type StageName } from "../settings/config.js";

/**
 * May differ when a run resumes: paths, how long it lasts, how often it saves, and the engine, which
 * changes no setting of the training but its last bits.
 */
const FREE = new Set([
  "data",
  "backbone",
  "out",
  "engine",
  "threads",
  "minutes",
  "saveEverySeconds",
  "report",
  "finetune.epochs",
]);
const PACKAGES = [
  "backbone",
  "cli",
  "corpus",
  "eval",
  "finetune",
  "onnx-grad",
  "pretrain",
  "tokenizer-ext",
  "training",
];

/** What a run was started with. */
export interface RunRecord {
  readonly config: RunConfig;
  /** The stages that have been run in this directory. */
  readonly stages: readonly StageName[];
  readonly dataset: { readonly path: string; readonly hash: string };
  readonly backbone: { readonly id: string; readonly contentHash: string };
  /** Hash of the model that finetuning began with, where it was another run's. */
  readonly from?: string;
}

const earlierSchema = z.object({
  config: z.record(z.string(), z.json()),
  stages: z.array(z.string()),
  dataset: z.object({ path: z.string(), hash: z.string() }),
});

/**
 * Compares with the record of the run that is in the directory, if there is one. A run that has saved no step pins
 * nothing. Writes nothing.
 * @throws UsageError naming the first setting that differs
 */
export async function checkRecord(record: RunRecord): Promise<void> {
  const { out } = record.config;
  const file = path.join(out, "run.json");
  const text = await fs.readFile(file, "utf8").catch(() => undefined);
  if (text === undefined) return;
  const updates = await Promise.all(STAGES.map((stage) => savedUpdates(stageCheckpoint(out, stage).name)));
  if (updates.some((done) => done > 0)) checkSame(file, text, record);
}

/** Writes the record, after {@link checkRecord}. */
export async function writeRecord(record: RunRecord): Promise<void> {
  await checkRecord(record);
  const file = path.join(record.config.out, "run.json");
  const whole = {
    format: "cllm4rec-run",
    version: 1,
    seed: record.config.seed,
    ...record,
    versions: versions(),
    machine: {
      platform: process.platform,
      arch: process.arch,
      cpu: os.cpus()[0]?.model ?? "",
      cores: os.cpus().length,
    },
  };
  await writeWhole(file, `${JSON.stringify(whole, null, 2)}\n`);
}

function checkSame(file: string, text: string, { config, stages, dataset }: RunRecord): void {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const earlier = earlierSchema.safeParse(json);
  if (!earlier.success) throw new UsageError(`${file}: is not the record of a run; choose another --out`);
  const another = "give the same to resume, or another --out for a new run";
  const { data } = earlier;
  if (data.dataset.hash !== dataset.hash) {
    throw new UsageError(
      `${file}: the run was begun on the dataset ${data.dataset.path}, and ${dataset.path} has other content; ` +
        `${another}`,
    );
  }
  if (data.stages.join() !== stages.join()) {
    throw new UsageError(
      `${file}: the run was begun with the stages ${data.stages.join(", ")}, now they are ${stages.join(", ")}; ` +
        `${another}`,
    );
  }
  // Settings that there were not yet had the default that they have now.
  const [then, now] = [flat(parseRecorded(data.config) ?? data.config), flat(config)];
  for (const key of new Set([...then.keys(), ...now.keys()])) {
    // With and without a time limit the defaults differ, so it may change but not come or go.
    const free = FREE.has(key) && (key !== "minutes" || then.has(key) === now.has(key));
    if (free || then.get(key) === now.get(key)) continue;
    throw new UsageError(
      `${file}: the run was begun with ${key} ${then.get(key) ?? "unset"}, now it is ${now.get(key) ?? "unset"}; ` +
        `${another}`,
    );
  }
}

/** Settings by place, as JSON: `finetune.epochs` → `10`. */
function flat(config: object): Map<string, string> {
  const found = new Map<string, string>();
  for (const [key, value] of Object.entries(config)) {
    if (value === undefined) continue;
    const nested = typeof value === "object" && value !== null && !Array.isArray(value);
    for (const [inner, leaf] of nested ? Object.entries(value) : [["", value] as const])
      if (leaf !== undefined) found.set(inner === "" ? key : `${key}.${inner}`, JSON.stringify(leaf));
  }
  return found;
}

function versions(): Record<string, string> {
  const require = createRequire(import.meta.url);
  const found: Record<string, string> = { node: process.versions.node };
  for (const name of PACKAGES) {
    const manifest: unknown = require(`@cllm4rec/${name}/package.json`);
    const parsed = z.object({ version: z.string() }).safeParse(manifest);
    if (parsed.success) found[`@cllm4rec/${name}`] = parsed.data.version;
  }
  return found;
}
