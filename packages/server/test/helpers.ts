// What the tests share: the bookshop's model behind real sockets.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { type Engine, onnxRuntime, type Session } from "@cllm4rec/onnx-grad";
import { type ServeOptions, type Server, serve } from "@cllm4rec/server";
import { readModel, type SavedModel, writeModel } from "@cllm4rec/training/model";
import { onTestFinished } from "vitest";

const fixtures = fileURLToPath(new URL("../../recommend/test/fixtures", import.meta.url));

/**
 * A bookshop: 60 readers of crime novels or garden books, 40 books; written by
 * packages/cli/scripts/write-recommend-fixture.mjs.
 */
export const bookshop = { model: path.join(fixtures, "model"), backbone: path.join(fixtures, "backbone") };

/** A server on a free port that ends with the test. */
export async function start(options: Partial<ServeOptions> = {}): Promise<Server> {
  const { backbone, model } = bookshop;
  const server = await serve({ model, port: 0, ...options, recommender: { backbone, ...options.recommender } });
  onTestFinished(() => server.close());
  return server;
}

/** What a request was answered. */
export interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look into answers of every form
  readonly body: any;
}

/** Sends JSON, or anything else that is a string. */
export async function send(url: string, route: string, body?: unknown, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(`${url}${route}`, {
    ...(body !== undefined && {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: typeof body === "string" ? body : JSON.stringify(body),
    }),
    ...init,
  });
  const text = await response.text();
  const type = response.headers.get("content-type");
  const { status, headers } = response;
  return { status, type, headers, body: type?.includes("json") ? JSON.parse(text) : text };
}

/** A folder that is removed when the test is over. */
export function temporaryFolder(): string {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-server-"));
  onTestFinished(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Writes the bookshop's model with some of it replaced. */
export async function writeChanged(directory: string, change: (model: SavedModel) => SavedModel): Promise<void> {
  await writeModel(directory, change(await readModel(bookshop.model)));
}

/** The model with its items' scores reversed: the best item of the bookshop's model is the last one of this. */
export function reversed(model: SavedModel): SavedModel {
  const { items, users } = model.tables.collaborative;
  return { ...model, tables: { collaborative: { users, items: { ...items, data: items.data.map((x) => -x) } } } };
}

/** The real engine, with something to await before each run. */
export class HeldEngine implements Engine {
  readonly #engine = onnxRuntime();
  passes = 0;
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
        await this.before();
        return session.run(feeds, options);
      },
      dispose: () => session.dispose(),
    };
  }

  async dispose(): Promise<void> {
    await this.#engine.dispose();
  }
}

/** A promise with its ends. */
export function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The model with the words of its titles, so that items can be added by their text. */
export function withWords(model: SavedModel): SavedModel {
  const texts = model.titles!.map((title) => [...new Set((title ?? "").toLowerCase().match(/[a-z]+/g) ?? [])]);
  const words = [...new Set(texts.flat())].sort();
  const rows = texts.map((text) => text.map((word) => words.indexOf(word)).sort((a, b) => a - b));
  const features = {
    rows: rows.length,
    columns: words.length,
    indptr: Int32Array.from([0, ...rows.map((_, r) => rows.slice(0, r + 1).flat().length)]),
    indices: Int32Array.from(rows.flat()),
    values: Float32Array.from(rows.flatMap((row) => row.map(() => 1 / Math.sqrt(row.length)))),
  };
  const idf = new Float64Array(words.length).fill(1);
  return { ...model, textFeatures: [{ name: "titles", reads: "title", weight: 1, words, idf, features }] };
}
