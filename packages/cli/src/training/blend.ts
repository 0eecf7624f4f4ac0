// The blend at the end of a training command: the model together with linear scorers, where validation says that they
// help.
import { openItsDataset, openTrainedModel } from "@cllm4rec/recommend";
import { blend, type LearnedBlend, readBlend } from "@cllm4rec/recommend/blend";
import { closing } from "../closing.js";
import { lockDirectory } from "../files/lock.js";
import { serving } from "../models/workplace.js";
import type { StageDisplay } from "../progress.js";
import type { RunConfig } from "../settings/config.js";

export type Blended = LearnedBlend;

/** Of a limited time, what is kept for fitting and weighing the other members. */
export const BLEND_SHARE = 0.2;
/** J³ · fits in a second, of EASE on two cores; what a number of fits costs is estimated with it. */
const FITS = 3.3e10;
const MOST_FITS = 24;

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
    const fits = minutes === undefined ? undefined : Math.floor((60 * minutes * BLEND_SHARE * FITS) / items ** 3 / 2);
    let doing: string | undefined;
    const learned = await serving(
      { backbone, engine: { engine, threads } },
      { signal, display },
      ({ onProgress: _, ...places }) =>
        blend(out, dataset, {
          ...places,
          ...(fits !== undefined && { trials: Math.max(1, Math.min(MOST_FITS, fits)) }),
          onNotice: (message) => display.say(message),
          onProgress(progress) {
            if (progress.doing !== doing) display.start(progress.doing);
            doing = progress.doing;
            display.update(progress.share);
          },
        }),
    );
    display.stop();
    return learned;
  });
}
