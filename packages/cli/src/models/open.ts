// A recommender for one command: opened as its flags say, and closed when the work is done.
import type { OpenRecommenderOptions, Recommender } from "@cllm4rec/recommend";
import type { CliContext } from "../context.js";
import type { EngineName } from "../engine/engine.js";
import { StageDisplay } from "../progress.js";
import { serving } from "./workplace.js";

/** Flags of the commands that open a model. */
export interface ModelFlags {
  readonly model: readonly string[];
  readonly data?: string;
  readonly backbone?: string;
  readonly blend?: boolean;
  readonly engine?: EngineName;
  readonly threads?: number;
}

/**
 * Does `work` with the model of the flags.
 * @throws what `work` throws; of an unknown id the message names the model, and then `hint` of the command
 */
export async function withRecommender<T>(
  flags: ModelFlags,
  { signal, stderr, verbosity }: CliContext,
  work: (recommender: Recommender, display: StageDisplay) => Promise<T>,
  options: Pick<OpenRecommenderOptions, "known" | "itemsFile"> = {},
): Promise<T> {
  const { openRecommender, UnknownIdError } = await import("@cllm4rec/recommend");
  const display = new StageDisplay(stderr, verbosity);
  const { model, data } = flags;
  const engine = { engine: flags.engine ?? "cpu", threads: flags.threads } as const;
  return serving({ ...flags, engine }, { signal, display }, async (places) => {
    const recommender = await openRecommender(model, { ...places, ...options, ...(data && { data }) });
    try {
      return await work(recommender, display);
    } catch (error) {
      if (!(error instanceof UnknownIdError)) throw error;
      throw new Error(`${model[0]}: unknown ${error.kind} ${JSON.stringify(error.id)}; ${error.hint}`, {
        cause: error,
      });
    } finally {
      await recommender.close();
    }
  });
}
