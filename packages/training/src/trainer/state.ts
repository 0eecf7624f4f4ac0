// The position of a run, as JSON: parsed strictly, and accepted only with the settings that it was saved with.
import { z } from "zod";
import { isJsonRecord, type JsonRecord } from "../checkpoint/checkpoint.js";
import { TrainingError } from "../error.js";

const count = z.number().int().min(0);
const batchState = z.strictObject({ seed: count, epoch: count, step: count });

const loopState = z.strictObject({
  round: count,
  /** Which of the round's segments, and how many of its steps are done. */
  segment: count,
  step: count,
  /** Whether the trainer ended the run before its last round. */
  ended: z.boolean(),
  /** The next batch of each task. */
  cursors: z.record(z.string(), batchState),
  /** Updates of each task. */
  updates: z.record(z.string(), count),
  /** Sum and number of the round's losses, by task. */
  losses: z.record(z.string(), z.array(z.number()).length(2)),
});

export type LoopState = z.infer<typeof loopState>;

/**
 * Checks a saved state against the run that resumes from it.
 * @returns `undefined` for a state without any update and of other settings, which pins nothing
 * @throws TrainingError naming the file and the first difference
 */
export function parseLoopState(
  state: JsonRecord,
  settings: JsonRecord,
  fresh: LoopState,
  file: string,
): { loop: LoopState; memory: JsonRecord } | undefined {
  const { settings: found, memory } = state;
  if (!isJsonRecord(found) || !isJsonRecord(memory))
    throw new TrainingError(`${file}: no settings and memory in the state; the file is damaged`);
  const parsed = loopState.safeParse(state.loop);
  const difference = otherSettings(found, settings);
  if (difference && parsed.success && Object.values(parsed.data.updates).every((updates) => updates === 0))
    return undefined;
  if (difference) throw new TrainingError(`${file}: ${difference}`);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new TrainingError(`${file}: the state is damaged: ${issue?.path.join(".") ?? ""} ${issue?.message ?? ""}`);
  }
  const [had, has] = [Object.keys(parsed.data.cursors).sort().join(), Object.keys(fresh.cursors).sort().join()];
  if (had !== has) throw new TrainingError(`${file}: found the tasks ${had}, expected ${has}`);
  return { loop: parsed.data, memory };
}

/** The first setting that differs from those that a run was begun with, in a sentence; `undefined` where none does. */
function otherSettings(found: JsonRecord, settings: JsonRecord): string | undefined {
  for (const name of new Set([...Object.keys(settings), ...Object.keys(found)])) {
    const [then, now] = [JSON.stringify(found[name]), JSON.stringify(settings[name])];
    if (then === now) continue;
    const change = `the run was begun with ${name} ${then ?? "(none)"}, now it is ${now ?? "(none)"}`;
    return `${change}; use the same settings to resume it, or another folder to start again`;
  }
  return undefined;
}
