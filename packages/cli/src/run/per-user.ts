// Every user's metric values as a file, so that two evaluations can be compared user by user.
import fs from "node:fs/promises";
import { type EvaluationResult, fromJson, toJson } from "@cllm4rec/eval";
import { writeWhole } from "./clock.js";
import type { Protocol } from "./protocol.js";

type Convention = Pick<Protocol, "split" | "historyOf">;

/** @throws TrainingError naming the file where it cannot be written */
export async function writePerUser(
  file: string,
  result: EvaluationResult,
  { split, historyOf }: Convention,
): Promise<void> {
  const json = { split, history: historyOf, ...toJson(result, { perUser: true }) };
  await writeWhole(file, `${JSON.stringify(json)}\n`);
}

/**
 * What {@link writePerUser} wrote, and under which convention.
 * @throws Error naming the file, and what of it is not as expected
 */
export async function readPerUser(file: string): Promise<{ result: EvaluationResult; convention: string }> {
  try {
    const json: unknown = JSON.parse(await fs.readFile(file, "utf8"));
    const result = fromJson(json);
    const { split, history } = json as { split?: unknown; history?: unknown };
    return { result, convention: `split ${split}, history ${history}` };
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `${file}: ${reason} A file that \`evaluate --per-user\` or \`baselines --per-user\` wrote is expected.`,
      {
        cause: error,
      },
    );
  }
}

/** A recommender's name as a file name: `item KNN, shrinkage 10` → `item-knn-shrinkage-10.json`. */
export function fileName(recommender: string): string {
  const words = recommender.toLowerCase().match(/[\p{L}\p{N}.]+/gu) ?? [];
  return `${words.join("-")}.json`;
}
