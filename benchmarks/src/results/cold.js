// Recommendations of cold items on Beauty, a fifth of the items held out of training: simple recommenders, and models
// that were trained on it.
import os from "node:os";
import path from "node:path";
import { circumstances, cllm4rec, prepared } from "./run.js";

/** The data set of the protocol, in the plan. */
const DATASET = "beauty-cold";

/**
 * The rankings of `cllm4rec baselines` and `evaluate`, in the order of the table's columns.
 * @typedef {{ users: number, metrics: Record<string, number>, intervals: Record<string, [number, number]> }} Measured
 * @typedef {{ amongCold: Measured, amongAll: Measured, together: Measured }} ColdFigures
 * @typedef {{ name: string, method?: string, users?: number, metrics: Record<string, number>, intervals: Record<string,
 *   [number, number]>, cold: ColdFigures }} ColdRow
 * @typedef {{ dataset: string, command: string, date: string, machine: string, rows: readonly ColdRow[] }} ColdRecord
 */

/**
 * Simple recommenders, EASE with text and content KNN among them.
 * @param {string} shared
 * @param {number} trials fits of EASE of each kind by which its settings are chosen
 * @returns {Promise<ColdRecord & { cold: object }>}
 */
export async function measureColdBaselines(shared, trials) {
  const args = ["--data", await prepared(DATASET, shared), "--trials", `${trials}`, "--json"];
  const { baselines, cold } = JSON.parse(await cllm4rec(["baselines", ...args]));
  const command = `cllm4rec baselines --data ${DATASET} --trials ${trials}`;
  return { dataset: DATASET, command, ...circumstances(os.availableParallelism()), cold, rows: baselines };
}

/**
 * A model directory that was trained on the same data, as `cllm4rec evaluate` measures it.
 * @param {string} model
 * @param {string | undefined} name its row in the table; default: the directory's name
 * @param {string} shared
 * @returns {Promise<ColdRecord>}
 */
export async function measureColdModel(model, name, shared) {
  const data = await prepared(DATASET, shared);
  const called = path.basename(model);
  const { users, metrics, intervals, cold } = JSON.parse(
    await cllm4rec(["evaluate", "--model", model, "--data", data, "--json"]),
  );
  if (cold === undefined) throw new Error(`${model}: its dataset has no cold items; train it on runs/data/${DATASET}`);
  const { amongCold, amongAll, together } = cold;
  const row = { name: name ?? called, users, metrics, intervals, cold: { amongCold, amongAll, together } };
  const command = `cllm4rec evaluate --model ${called}`;
  return { dataset: DATASET, command, ...circumstances(os.availableParallelism()), rows: [row] };
}

/** A name as a file name. @param {string} name */
export const fileNameOf = (name) => (name.toLowerCase().match(/[a-z0-9.]+/g) ?? ["model"]).join("-");
