// Recommendations for many users into a file: in batches, each on disk before the next, so that an interrupted run
// resumes.
import { createReadStream, createWriteStream } from "node:fs";
import fs from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { convertJsonLines } from "@cllm4rec/corpus";
import type { Recommendation } from "@cllm4rec/recommend";
import type { StageDisplay } from "../progress.js";
import { duration } from "../training/display.js";
import { formatOf, replaceBy } from "./out-file.js";

/** Users in one batch: enough for full forward passes. */
const BATCH = 256;
const FORMATS = ["jsonl", "parquet", "csv"] as const;
/** Of a Parquet or CSV file: one row for each recommendation. */
const SELECT =
  '"user", unnest(range(1, len(items) + 1)) AS rank, unnest(items).item AS item, unnest(items).score AS score, ' +
  "unnest(items).title AS title";

/** A user, or a history with the name that the caller uses. */
export interface Listed {
  readonly name: string | null;
}

export interface WriteListsOptions<T extends Listed> {
  readonly file: string;
  readonly requests: readonly T[];
  /** What decides the lists, such as model and k: a file that was begun with other values is begun again. */
  readonly identity: string;
  readonly recommend: (request: T) => Promise<readonly Recommendation[]>;
  readonly signal: AbortSignal;
  readonly display: StageDisplay;
}

/** Refuses a file of another format before anything is opened. @throws UsageError */
export function checkListsFile(file: string): void {
  formatOf(file, FORMATS);
}

/**
 * Writes the lists in the order of the requests: as JSON lines, one a user, or as a table with a row for each
 * recommendation. Finished batches are in `FILE.part` until all are done.
 * @returns how many lists an earlier run had written
 * @throws what `recommend` throws, and the signal's reason; the next run resumes then
 */
export async function writeLists<T extends Listed>(options: WriteListsOptions<T>): Promise<number> {
  const { file, requests, identity, recommend, signal, display } = options;
  const format = formatOf(file, FORMATS);
  const part = `${file}.part`;
  const head = `${JSON.stringify({ lists: requests.length, identity })}\n`;
  const done = await wholeLists(part, head);
  const handle = await fs.open(part, "r+").catch(() => fs.open(part, "w+"));
  try {
    await handle.truncate(done.bytes);
    if (done.bytes === 0) await handle.write(head, 0);
    let position = done.bytes || Buffer.byteLength(head);
    const started = performance.now();
    display.start(`recommending to ${requests.length} users`);
    for (let from = done.lists; from < requests.length; from += BATCH) {
      signal.throwIfAborted();
      const group = requests.slice(from, from + BATCH);
      const lists = await Promise.all(group.map(recommend));
      const lines = group.map(({ name }, at) => `${JSON.stringify({ user: name, items: lists[at] })}\n`).join("");
      position += (await handle.write(lines, position)).bytesWritten;
      const finished = from + group.length;
      const seconds = (performance.now() - started) / 1000;
      const left = (seconds / (finished - done.lists)) * (requests.length - finished);
      display.update(finished / requests.length, `${finished} of ${requests.length}  ETA ${duration(left)}`);
    }
  } finally {
    await handle.close();
    display.stop();
  }
  await replaceBy(file, async (temporary) => {
    const lines = `${temporary}.jsonl`;
    try {
      await withoutHead(part, lines, Buffer.byteLength(head));
      if (format === "jsonl") return await fs.rename(lines, temporary);
      const items = "STRUCT(item VARCHAR, score FLOAT, title VARCHAR)[]";
      await convertJsonLines(lines, temporary, {
        format,
        columns: { user: "VARCHAR", items },
        select: SELECT,
      });
    } finally {
      await fs.rm(lines, { force: true });
    }
  });
  await fs.rm(part, { force: true });
  return done.lists;
}

/** How many lists of the same run are there, and where the last whole one ends. */
async function wholeLists(part: string, head: string): Promise<{ readonly lists: number; readonly bytes: number }> {
  const found = await fs.readFile(part).catch(() => Buffer.alloc(0));
  const none = { lists: 0, bytes: 0 };
  if (found.subarray(0, Buffer.byteLength(head)).toString() !== head) return none;
  const bytes = found.lastIndexOf(10) + 1;
  let lines = 0;
  for (let at = 0; at < bytes; at++) if (found[at] === 10) lines++;
  return { lists: lines - 1, bytes };
}

async function withoutHead(part: string, target: string, bytes: number): Promise<void> {
  await pipeline(createReadStream(part, { start: bytes }), createWriteStream(target));
}
