// What commands that train or predict work with: an engine by its name, and a backbone whose download is shown.
import {
  NotAvailableError,
  type OpenBaseModel,
  openBaseModel,
  type PredictorOptions,
  WrongPartError,
} from "@cllm4rec/recommend";
import { type EngineSettings, openEngine } from "../engine/engine.js";
import type { StageDisplay } from "../progress.js";

export { datasetHash } from "@cllm4rec/recommend";

/** A backbone with its tokenizer, extended by users and items. */
export type OpenBackbone = OpenBaseModel;

interface Surroundings {
  readonly signal: AbortSignal;
  readonly display?: StageDisplay | undefined;
}

/**
 * Opens a backbone by directory or hub id, with the tokenizer in the same directory.
 * @param sizes `width`: of the embeddings; the backbone's where absent or smaller
 * @throws CheckpointError, or Error naming a tokenizer's file, where one of them cannot be used
 */
export async function openBackbone(
  name: string,
  sizes: { readonly users: number; readonly items: number; readonly width?: number },
  options: Surroundings & {
    readonly maxLength?: number | undefined;
    readonly layers?: number | undefined;
    /** What computes; the CPU with all its cores where absent. */
    readonly engine?: EngineSettings | undefined;
  },
): Promise<OpenBackbone> {
  const { maxLength, layers, signal, display } = options;
  const engine = await openEngine(options.engine ?? { engine: "cpu" }, engineReports(options));
  try {
    const opened = await openBaseModel(name, sizes, {
      engine,
      signal,
      ...(maxLength !== undefined && { maxLength }),
      ...(layers !== undefined && { layers }),
      onProgress: downloadBar(name, display),
    });
    display?.stop();
    return {
      ...opened,
      async dispose() {
        try {
          await opened.dispose();
        } finally {
          await engine.dispose();
        }
      },
    };
  } catch (error) {
    await engine.dispose();
    throw error;
  }
}

/** Where the parts of a model are, if they were moved, and the engine: the flags of the commands that predict. */
export interface ServingFlags {
  readonly data?: string | undefined;
  readonly backbone?: string | undefined;
  readonly engine?: EngineSettings | undefined;
  /** False: without the blend of the model directory. */
  readonly blend?: boolean | undefined;
}

/**
 * Does `work` with an engine, which is disposed of afterwards, and the options of `openPredictor` and
 * `openRecommender`.
 * @throws what `work` throws, flags in place of the library's options
 */
export async function serving<T>(
  { backbone, engine: settings, blend = true }: ServingFlags,
  surroundings: Surroundings,
  work: (options: PredictorOptions) => Promise<T>,
): Promise<T> {
  const { signal, display } = surroundings;
  const engine = await openEngine(settings ?? { engine: "cpu" }, engineReports(surroundings));
  try {
    return await naming(() =>
      work({
        engine,
        signal,
        blend,
        onNotice: (message) => display?.say(message),
        ...(backbone !== undefined && { backbone }),
        onProgress: downloadBar(backbone ?? "the backbone", display),
      }),
    );
  } finally {
    display?.stop();
    await engine.dispose();
  }
}

/** Does `work`; if it misses a dataset or backbone, the message names the flag that sets its path. */
export async function naming<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const part = error instanceof NotAvailableError ? error.cause : error;
    if (!(part instanceof WrongPartError)) throw error;
    throw new Error(part.messageFor(`--${part.option}`), { cause: error });
  }
}

const engineReports = ({ display, signal }: Surroundings) => ({
  say: (line: string) => display?.say(line),
  signal,
});

function downloadBar(name: string, display: StageDisplay | undefined): NonNullable<PredictorOptions["onProgress"]> {
  let downloading = "";
  return ({ file, done, total }) => {
    if (file !== downloading) display?.start(`fetching ${name}: ${file}`);
    downloading = file;
    display?.update(total > 0 ? done / total : 1);
  };
}
