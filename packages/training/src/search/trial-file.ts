// The trials of a search in a file, so that it resumes after any interruption.
import fs from "node:fs/promises";
import path from "node:path";
import { z } from "zod";
import { writeTextAtomically } from "../checkpoint/atomic.js";
import type { JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";
import type { Trial } from "./successive-halving.js";

const json = z.record(z.string(), z.json());
const fileSchema = z.object({
  format: z.literal("cllm4rec-search"),
  version: z.literal(1),
  search: json,
  trials: z.array(
    z.strictObject({
      candidate: z.int().min(0),
      settings: json,
      budget: z.number(),
      score: z.number().nullable(),
      details: json.exactOptional(),
    }),
  ),
});

/**
 * The trials of one search in a JSON file, which is replaced in one step.
 * @param search what decides which trials there are and what they reach: seed, space, budgets, data. A file of another
 *   search is refused
 */
export function trialFile(file: string, search: JsonRecord) {
  return {
    /** @throws TrainingError where the file cannot be read, or belongs to another search */
    async load(): Promise<Trial[]> {
      const text = await fs.readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
        if (error.code === "ENOENT") return undefined;
        throw new TrainingError(`${file}: cannot be read (${error.message})`, { cause: error });
      });
      if (text === undefined) return [];
      const parsed = fileSchema.safeParse(parseOrUndefined(text));
      if (!parsed.success) throw new TrainingError(`${file}: is no record of a search; choose another folder`);
      const { search: earlier, trials } = parsed.data;
      const differing = [...new Set([...Object.keys(earlier), ...Object.keys(search)])].find(
        (key) => JSON.stringify(earlier[key]) !== JSON.stringify(search[key]),
      );
      if (differing !== undefined) {
        throw new TrainingError(
          `${file}: the search was begun with ${differing} ${JSON.stringify(earlier[differing])}, now it is ` +
            `${JSON.stringify(search[differing])}; give the same to resume, or another folder for a new search`,
        );
      }
      return trials;
    },
    /**
     * Makes the folder where it is not there.
     * @throws TrainingError where the file cannot be written; what it held before is untouched
     */
    async save(trials: readonly Trial[]): Promise<void> {
      const whole = { format: "cllm4rec-search", version: 1, search, trials };
      await fs.mkdir(path.dirname(file), { recursive: true });
      await writeTextAtomically(file, `${JSON.stringify(whole, null, 2)}\n`);
    },
  };
}

function parseOrUndefined(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
