// The blend at the end of a training command: the model together with linear scorers, where validation says that they
// help.
import { openItsDataset, openTrainedModel } from "@cllm4rec/recommend";
import { blend, type LearnedBlend, readBlend, trialsWithin } from "@cllm4rec/recommend/blend";
import { closing } from "../closing.js";
import { blendDisplay } from "../evaluation/blend-display.js";
import { lockDirectory } from "../files/lock.js";
import { serving } from "../models/workplace.js";
import type { StageDisplay } from "../progress.js";
import type { RunConfig } from "../settings/config.js";

export type Blended = LearnedBlend;

/** Of a limited time, what is kept for fitting and weighing the other members. */
export const BLEND_SHARE = 0.2;
/** Of that, what fitting may take; scoring all users by all members takes the rest. */
const FIT_SHARE = 0.5;

/** What a training run says of its end. */
interface Trained {
  readonly items: number;
  readonly interrupted: boolean;
  readonly stages: { readonly finetune?: { readonly best?: unknown } };
}

/**
 * Adds a blend to the model that was trained, unless the configuration is without one, there is nothing to choose it
 * on, or the run was interrupted. `undefined` where there is none to speak of.
 */
export async function blendAfterTraining(
  { method, blend: wanted, out, data, backbone, engine, threads, minutes }: RunConfig,
  { interrupted, stages, items }: Trained,
  { signal, display }: { readonly signal: AbortSignal; readonly display: StageDisplay },
): Promise<Blended | undefined> {
  if (method !== "text-map" || wanted === "none" || interrupted || !stages.finetune?.best) return undefined;
  // A blend of this very model is kept: the command was repeated after its end. One that cannot be read is made again.
  const earlier = await readBlend(out).catch(() => undefined);
  if (earlier) {
    const members = earlier.members.map(({ source: _, ...member }) => member);
    return { directory: out, members, metrics: earlier.metrics, stored: true };
  }
  return closing(async (later) => {
    const dataset = await openItsDataset(await openTrainedModel(out), data);
    later(() => dataset.close());
    later(await lockDirectory(out));
    const trials = minutes && trialsWithin(60 * minutes * BLEND_SHARE * FIT_SHARE, items);
    const learned = await serving(
      { backbone, engine: { engine, threads } },
      { signal, display },
      ({ onProgress: _, ...places }) =>
        blend(out, dataset, {
          ...places,
          ...(trials !== undefined && { trials }),
          onProgress: blendDisplay(display),
        }),
    );
    display.stop();
    return learned;
  });
}
