// Every user's metric values as a file, so that two evaluations can be compared user by user.
import fs from "node:fs/promises";
import { type EvaluationResult, fromJson, toJson } from "@cllm4rec/eval";
import { reasonOf } from "../errors.js";
import { writeWhole } from "../files/whole-file.js";
import type { Protocol } from "./protocol.js";

const EXPECTED = "a file that `evaluate --per-user` or `baselines --per-user` wrote is expected";

type Convention = Pick<Protocol, "split" | "historyOf"> & {
  /** Which of the rankings with cold items; default: the one of the split. */
  readonly view?: string;
};

/** @throws TrainingError naming the file where it cannot be written */
export async function writePerUser(
  file: string,
  result: EvaluationResult,
  { split, historyOf, view }: Convention,
): Promise<void> {
  const json = { split, history: historyOf, ...(view !== undefined && { view }), ...toJson(result, { perUser: true }) };
  await writeWhole(file, `${JSON.stringify(json)}\n`);
}

/**
 * What {@link writePerUser} wrote, and under which convention.
 * @throws Error naming the file, and what of it is not as expected
 */
export async function readPerUser(file: string): Promise<{ result: EvaluationResult; convention: string }> {
  const text = await fs.readFile(file, "utf8").catch((error: unknown) => {
    throw new Error(`${file}: cannot be read (${reasonOf(error)}); ${EXPECTED}`, { cause: error });
  });
  try {
    const json: unknown = JSON.parse(text);
    const result = fromJson(json);
    const { split, history, view } = json as { split?: unknown; history?: unknown; view?: unknown };
    return { result, convention: `split ${split}, history ${history}${view === undefined ? "" : `, ${view}`}` };
  } catch (error) {
    const reason = reasonOf(error).replace(/[.;]?$/, "");
    throw new Error(`${file}: ${reason}; ${EXPECTED}`, { cause: error });
  }
}

/** The file of a view of cold items beside the main one: `values.json` → `values.amongCold.json`. */
export function viewFile(file: string, view: string): string {
  return `${file.replace(/\.json$/, "")}.${view}.json`;
}

/** A recommender's name as a file name of ASCII characters: `EASE, λ 200` → `ease-lambda-200.json`. */
export function fileName(recommender: string): string {
  const plain = recommender.toLowerCase().replaceAll("λ", "lambda").normalize("NFKD");
  const words = plain.replace(/\p{Mark}/gu, "").match(/[a-z0-9.]+/g) ?? [];
  return `${words.join("-")}.json`;
}
