// Facts about a run: its record, its time, and the files in its directory.
import fs from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { type RunHistory, readHistory } from "./run-history.js";

const runSchema = z.object({
  seed: z.number(),
  config: z.record(z.string(), z.json()),
  stages: z.array(z.string()),
  dataset: z.object({ path: z.string(), hash: z.string() }),
  backbone: z.object({ id: z.string(), contentHash: z.string() }),
  from: z.string().exactOptional(),
  versions: z.record(z.string(), z.string()),
  machine: z.object({ platform: z.string(), arch: z.string(), cpu: z.string(), cores: z.number() }),
});
const clockSchema = z.record(z.string(), z.object({ seconds: z.number() }));

/** run.json, as the report uses it. */
export type RunRecordJson = z.infer<typeof runSchema>;

export interface RunFacts {
  readonly record?: RunRecordJson;
  readonly history?: RunHistory;
  /** Seconds of work by stage, resumed runs included. */
  readonly seconds: Readonly<Record<string, number>>;
  /** Bytes by the names in the directory, folders with all that is in them. */
  readonly sizes: readonly { readonly name: string; readonly bytes: number }[];
}

/** Reads what there is; what was removed since or is damaged is absent. */
export async function readFacts(directory: string): Promise<RunFacts> {
  const record = runSchema.safeParse(await readJson(path.join(directory, "run.json")));
  const clock = clockSchema.safeParse(await readJson(path.join(directory, "training-state", "clock.json")));
  const history = await readHistory(path.join(directory, "events.jsonl"));
  return {
    ...(record.success && { record: record.data }),
    ...(history && { history }),
    seconds: clock.success ? Object.fromEntries(Object.entries(clock.data).map(([k, v]) => [k, v.seconds])) : {},
    sizes: await sizesIn(directory),
  };
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await fs.readFile(file, "utf8"));
  } catch {
    return undefined;
  }
}

async function sizesIn(directory: string): Promise<RunFacts["sizes"]> {
  const entries = await fs.readdir(directory, { withFileTypes: true }).catch(() => []);
  const sizes = await Promise.all(
    entries.map(async (entry) => ({
      name: entry.isDirectory() ? `${entry.name}/` : entry.name,
      bytes: await bytesOf(path.join(directory, entry.name)),
    })),
  );
  return sizes.sort((a, b) => b.bytes - a.bytes);
}

async function bytesOf(place: string): Promise<number> {
  const found = await fs.lstat(place);
  if (!found.isDirectory()) return found.size;
  const inside = await Promise.all((await fs.readdir(place)).map((name) => bytesOf(path.join(place, name))));
  return inside.reduce((sum, size) => sum + size, 0);
}
