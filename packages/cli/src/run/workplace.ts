// What every stage, evaluation and recommendation works with: a dataset, a frozen backbone, and the tokenizer over both.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { Backbone, BaseModel } from "@cllm4rec/backbone";
import { hashTokenizer, type Manifest } from "@cllm4rec/corpus";
import { ExtendedTokenizer } from "@cllm4rec/tokenizer-ext";
import { loadTokenizer } from "@cllm4rec/tokenizer-ext/node";
import type { StageDisplay } from "../progress.js";
import { type EngineSettings, openEngine } from "./engine.js";

/** A backbone with its tokenizer, extended by users and items. */
export interface OpenBackbone {
  readonly model: BaseModel;
  readonly tokenizer: ExtendedTokenizer;
  /** SHA-256 of the tokenizer's files, as parsed. */
  readonly tokenizerHash: string;
  /** How to find it again: an absolute path, or the hub id as it was given. */
  readonly reference: string;
  dispose(): Promise<void>;
}

/**
 * Opens a backbone by directory or hub id, with the tokenizer that lies beside its weights.
 * @throws CheckpointError, or Error naming a tokenizer's file, where one of them cannot be used
 */
export async function openBackbone(
  name: string,
  sizes: { readonly users: number; readonly items: number },
  options: {
    readonly maxLength?: number | undefined;
    readonly layers?: number | undefined;
    /** What computes; the CPU with all its cores where absent. */
    readonly engine?: EngineSettings | undefined;
    readonly signal: AbortSignal;
    readonly display?: StageDisplay;
  },
): Promise<OpenBackbone> {
  const { maxLength, layers, signal, display } = options;
  const say = (line: string) => display?.say(line);
  const engine = await openEngine(options.engine ?? { engine: "cpu" }, { say, signal });
  let downloading = "";
  const backbone = await Backbone.open(name, {
    engine,
    signal,
    ...(maxLength !== undefined && { maxPositions: maxLength }),
    ...(layers !== undefined && { layers }),
    hub: {
      onProgress: ({ file, done, total }) => {
        if (file !== downloading) display?.start(`fetching ${name}: ${file}`);
        downloading = file;
        display?.update(total > 0 ? done / total : 1);
      },
    },
  }).catch(async (error: unknown) => {
    await engine.dispose();
    throw error;
  });
  display?.stop();
  try {
    const { tokenizer: base, json, config } = await loadTokenizer(backbone.directory);
    const tokenizer = new ExtendedTokenizer({ tokenizer: base, rows: backbone.config.vocabularySize, ...sizes });
    const model = new BaseModel(backbone, sizes);
    return {
      model,
      tokenizer,
      tokenizerHash: hashTokenizer(json, config),
      reference: (await isDirectory(name)) ? path.resolve(name) : name,
      async dispose() {
        await model.dispose();
        await backbone.dispose();
        await engine.dispose();
      },
    };
  } catch (error) {
    await backbone.dispose();
    await engine.dispose();
    throw error;
  }
}

/** SHA-256 over the hashes of a dataset's files: equal for equal content, wherever it lies. */
export function datasetHash({ files }: Manifest): string {
  const hashes = Object.entries(files).map(([name, { sha256 }]) => [name, sha256]);
  return createHash("sha256").update(JSON.stringify(hashes.sort())).digest("hex");
}

async function isDirectory(name: string): Promise<boolean> {
  return fs.stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );
}
