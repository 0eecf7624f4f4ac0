// The report at the end of a training command: whatever becomes of it, the model is safe.
import { Interrupted, reasonOf } from "../errors.js";
import type { StageDisplay } from "../progress.js";
import type { RunConfig, StageName } from "../settings/config.js";
import { writeReport } from "./report.js";

/**
 * Writes the page that the configuration asks for and returns its file; `undefined` if it asks for none, or if the page
 * could not be written, which is reported. For an interrupted run, or pretraining alone, nothing is measured: the page
 * has the curves.
 * @throws Interrupted where the user interrupts the measurement
 */
export async function reportAfterTraining(
  config: RunConfig,
  stages: readonly StageName[],
  { interrupted, signal, display }: { interrupted: boolean; signal: AbortSignal; display: StageDisplay },
): Promise<string | undefined> {
  const { out, report, data, backbone, engine, threads } = config;
  if (report === "none") return undefined;
  try {
    const { file } = await writeReport({
      model: out,
      ...(report === "validation" && { split: report }),
      data,
      backbone,
      engine: { engine, threads },
      evaluate: !interrupted && stages.includes("finetune"),
      // What is left to do after an interruption takes a moment.
      signal: interrupted ? new AbortController().signal : signal,
      display,
    });
    return file;
  } catch (error) {
    display.stop();
    if (signal.aborted && !interrupted) {
      throw new Interrupted(
        `interrupted: the model is in ${out}, without a report; cllm4rec report --model ${out} writes it`,
      );
    }
    display.warn(`no report was written: ${reasonOf(error)}`);
    return undefined;
  }
}
