// Opening a Hugging Face model, the same for frozen weights and for weights in training: directory, config, and every
// weight accounted for.
import type { Architecture } from "../architectures/architecture.js";
import { architectureOf } from "../architectures/registry.js";
import { type BackboneCheckpoint, openCheckpoint } from "../checkpoint/checkpoint.js";
import { type BackboneConfig, parseConfig } from "../checkpoint/config.js";
import { shown } from "../checkpoint/errors.js";
import { type ResolveOptions, resolveModel } from "../checkpoint/hub.js";
import { type ClaimedWeights, claimWeights } from "../checkpoint/weights.js";

/** What opening a model takes, whether its weights are frozen or trained. */
export interface OpenModelOptions {
  /** How a hub id is found and fetched. */
  readonly hub?: ResolveOptions;
  /** See `OpenBackboneOptions`. */
  readonly maxPositions?: number;
  /**
   * Takes one line for keys of config.json that are not known: neither understood nor known to be without effect. Each
   * model is reported once a process; without a function, as a warning of the process (`process.emitWarning`).
   */
  readonly onNotice?: (notice: string) => void;
  readonly signal?: AbortSignal;
}

export interface OpenedModel {
  readonly directory: string;
  readonly checkpoint: BackboneCheckpoint;
  readonly config: BackboneConfig;
  readonly architecture: Architecture;
  readonly claimed: ClaimedWeights;
}

/** @throws CheckpointError where config or weights are not what the architecture needs */
export async function openModel(model: string, options: OpenModelOptions): Promise<OpenedModel> {
  const { hub, maxPositions, signal, onNotice } = options;
  const { directory } = await resolveModel(model, { ...hub, ...(signal ? { signal } : {}) });
  const checkpoint = await openCheckpoint(directory, signal ? { signal } : {});
  const file = `${directory}/config.json`;
  const config = parseConfig(checkpoint.config, {
    file,
    generationConfig: checkpoint.generationConfig,
    tensors: checkpoint.tensors,
    ...(maxPositions === undefined ? {} : { maxPositions }),
  });
  const architecture = architectureOf(config);
  const claimed = await claimWeights(checkpoint, architecture.weights(config), {
    ignore: architecture.buffers,
    ...(signal ? { signal } : {}),
  });
  reportUnrecognised(file, config.unrecognisedKeys, onNotice);
  return { directory, checkpoint, config, architecture, claimed };
}

const SHOWN = 8;
const reported = new Set<string>();

/** Reports keys that are not known, once for each file and function. */
export function reportUnrecognised(
  file: string,
  keys: readonly string[],
  onNotice: (notice: string) => void = (notice) => process.emitWarning(notice, "CheckpointWarning"),
): void {
  const what = JSON.stringify([file, keys]);
  if (keys.length === 0 || reported.has(what)) return;
  reported.add(what);
  const names = keys.slice(0, SHOWN).map(shown).join(", ") + (keys.length > SHOWN ? ", …" : "");
  const [noun, verb] = keys.length === 1 ? ["key", "is"] : ["keys", "are"];
  onNotice(
    `${file}: ${keys.length} ${noun} ${verb} not known and ignored: ${names}. If one of them changes what the ` +
      "model computes, its results differ from those of the program that wrote it",
  );
}
