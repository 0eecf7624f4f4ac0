// What the tests of readers share: files from text, a prepare() whose events are kept, and a dataset's content as plain
// values.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { csrRow, Dataset, type Manifest, type PrepareEvent, type PrepareOptions, prepare } from "@cllm4rec/corpus";
import { afterAll, beforeAll } from "vitest";

/** A folder that lives as long as the test file's tests. */
export function temporaryFolder(): { path: string; write(name: string, content: string | Uint8Array): string } {
  const folder = {
    path: "",
    write(name: string, content: string | Uint8Array): string {
      const file = path.join(folder.path, name);
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.writeFileSync(file, content);
      return file;
    },
  };
  beforeAll(() => {
    folder.path = fs.mkdtempSync(path.join(os.tmpdir(), "corpus-"));
  });
  afterAll(() => fs.rmSync(folder.path, { recursive: true, force: true }));
  return folder;
}

export interface Prepared {
  manifest: Manifest;
  events: PrepareEvent[];
  /** `raw user: raw items` over all splits, in stored order of train, validation, test. */
  histories: Record<string, string[]>;
  reviews: string[];
  titles: Record<string, string | null>;
  itemTexts: Record<string, string | null>;
  userTexts: Record<string, string | null>;
}

let outputs = 0;

/** Prepares without any filter unless asked, and reads everything back. */
export async function prepared(folder: { path: string }, options: Omit<PrepareOptions, "output">): Promise<Prepared> {
  const output = path.join(folder.path, `out-${++outputs}`);
  const events: PrepareEvent[] = [];
  const manifest = await prepare({
    minRating: null,
    core: 0,
    validationShare: 0,
    testShare: 0,
    ...options,
    output,
    onEvent: (event) => events.push(event),
  });
  const dataset = await Dataset.open(output, { verify: "full" });
  const [users, items] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
  const histories: Record<string, string[]> = Object.fromEntries(users.map((user) => [user, []]));
  for (const split of ["train", "validation", "test"] as const) {
    const csr = await dataset.interactions(split);
    users.forEach((raw, user) => {
      histories[raw]!.push(...Array.from(csrRow(csr, user), (item) => items[item]!));
    });
  }
  const reviews: string[] = [];
  for await (const { user, item, text } of dataset.trainReviews())
    reviews.push(`${users[user]}/${items[item]}: ${text}`);
  const byId = (ids: string[], values: (string | null)[]) => Object.fromEntries(ids.map((id, k) => [id, values[k]!]));
  const result = {
    manifest,
    events,
    histories,
    reviews,
    titles: byId(items, await dataset.itemTitles()),
    itemTexts: byId(items, await dataset.itemTexts()),
    userTexts: byId(users, await dataset.userTexts()),
  };
  dataset.close();
  return result;
}

/** JSON lines. */
export function jsonLines(objects: readonly unknown[]): string {
  return objects.map((object) => `${JSON.stringify(object)}\n`).join("");
}
