// How making a blend looks on a terminal: a bar for each of its steps.
import type { BlendProgress } from "@cllm4rec/recommend/blend";
import type { StageDisplay } from "../progress.js";

/** What `blend` takes as `onProgress`. */
export function blendDisplay(display: StageDisplay): (progress: BlendProgress) => void {
  let current: string | undefined;
  return ({ doing, share }) => {
    if (doing !== current) display.start(doing);
    current = doing;
    display.update(share);
  };
}
