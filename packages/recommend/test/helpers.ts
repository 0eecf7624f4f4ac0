// What the tests share: a trained model with its backbone and dataset, changed copies of it, and the tiny GPT-2.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Engine, onnxRuntime, type Session } from "@cllm4rec/onnx-grad";
import { readModel, type SavedModel, writeModel } from "@cllm4rec/training/model";
import { onTestFinished } from "vitest";

const fixtures = path.join(path.dirname(fileURLToPath(import.meta.url)), "fixtures");

/**
 * A bookshop: 60 readers of crime novels or garden books, 40 books; written by
 * packages/cli/scripts/write-recommend-fixture.mjs.
 */
export const bookshop = {
  model: path.join(fixtures, "model"),
  backbone: path.join(fixtures, "backbone"),
  data: path.join(fixtures, "data"),
};

/** The model with some of it replaced, as a directory that is removed when the test is over. */
export async function changed(change: (model: SavedModel) => SavedModel): Promise<string> {
  const directory = path.join(temporaryFolder(), "model");
  await writeModel(directory, change(await readModel(bookshop.model)));
  return directory;
}

/** The settings of `serving` with some of them replaced. */
export function withServing(model: SavedModel, change: Record<string, unknown>): SavedModel {
  const { description } = model;
  const settings = JSON.parse(JSON.stringify(description.settings));
  Object.assign(settings.serving, JSON.parse(JSON.stringify(change)));
  return { ...model, description: { ...description, settings } };
}

/** The real engine, watched: how many graphs were run, and whether it was disposed of. */
export class WatchedEngine implements Engine {
  readonly #engine = onnxRuntime();
  passes = 0;
  disposed = false;
  /** Of the last run. */
  signal: AbortSignal | undefined;
  /** Awaited before each run. */
  before: () => Promise<void> = async () => undefined;

  get description(): string {
    return this.#engine.description;
  }

  async load(...args: Parameters<Engine["load"]>): Promise<Session> {
    const session = await this.#engine.load(...args);
    return {
      graphName: session.graphName,
      run: async (feeds, options) => {
        this.passes++;
        this.signal = options?.signal;
        await this.before();
        return session.run(feeds, options);
      },
      dispose: () => session.dispose(),
    };
  }

  async dispose(): Promise<void> {
    this.disposed = true;
    await this.#engine.dispose();
  }
}

export { csr, twoTastes } from "@cllm4rec/testing";

/**
 * A random GPT-2 of 128 words, width 16, 2 layers, 96 positions; written by packages/finetune/test/oracle/tiny_gpt2.py.
 */
export const tinyGpt2 = path.join(fixtures, "tiny-gpt2");

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-recommend-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}
