// Items that were added to a model by their text, and items that were removed, in a file of their own: what a model
// directory that is written again takes over by the same file.
import { createHash } from "node:crypto";
import fs from "node:fs/promises";
import path from "node:path";
import { removeLeftovers, writeAtomically } from "@cllm4rec/backbone";
import { z } from "zod";
import { RecommendError, reasonOf } from "../error.js";
import type { NewItem } from "./new-item.js";

/** In the model directory, where the caller names no other file. */
export const ITEM_FILE = "added-items.json";

/** The file of added items cannot be read or written, or is not what was written. */
export class ItemFileError extends RecommendError {
  override name = "ItemFileError";
}

/** What was changed of a model's items. */
export interface ItemChanges {
  /** In the order in which they were added. */
  readonly items: readonly NewItem[];
  /** Raw ids of items of training that are no longer recommended. */
  readonly removed: readonly string[];
}

const schema = z.strictObject({
  format: z.literal("cllm4rec-added-items"),
  version: z.literal(1),
  /** SHA-256 of items and removed, as JSON. */
  checksum: z.string(),
  items: z.array(z.strictObject({ item: z.string(), text: z.string(), title: z.string().exactOptional() })),
  removed: z.array(z.string()),
});

/** The changes on disk. One recommender at a time may change them. */
export class ItemFile {
  /** What the file held when it was last read or written; `undefined`: it was not there. */
  #text: string | undefined;

  constructor(readonly file: string) {}

  /** @throws ItemFileError for a file that is damaged, was changed by hand, or is of another version */
  async read(): Promise<ItemChanges> {
    this.#text = await readIfThere(this.file);
    if (this.#text === undefined) return { items: [], removed: [] };
    const damaged = (problem: string) =>
      new ItemFileError(`${this.file}: ${problem}; restore it from a copy, or remove it and add the items again`);
    let json: unknown;
    try {
      json = JSON.parse(this.#text);
    } catch (error) {
      throw damaged(`is not JSON (${reasonOf(error)})`);
    }
    const parsed = schema.safeParse(json);
    if (!parsed.success) {
      const [issue] = parsed.error.issues;
      throw damaged(`no added items of version 1: ${issue?.path.join(".")} ${issue?.message}`);
    }
    const { items, removed, checksum } = parsed.data;
    if (checksumOf({ items, removed }) !== checksum) throw damaged("its checksum does not fit its items");
    return { items, removed };
  }

  /**
   * Replaces the file in one step.
   * @throws ItemFileError where it cannot be written, or another process has changed it since it was read
   */
  async write({ items, removed }: ItemChanges): Promise<void> {
    if ((await readIfThere(this.file)) !== this.#text) {
      throw new ItemFileError(
        `${this.file}: another process has changed it; open the model again to see its items, and change it from one ` +
          "process at a time",
      );
    }
    const changes = { items, removed };
    const whole = { format: "cllm4rec-added-items", version: 1, checksum: checksumOf(changes), ...changes };
    const text = `${JSON.stringify(whole, null, 1)}\n`;
    try {
      await fs.mkdir(path.dirname(this.file), { recursive: true });
      await removeLeftovers(path.dirname(this.file), path.basename(this.file));
      await writeAtomically(this.file, (handle) => handle.writeFile(text));
    } catch (error) {
      throw new ItemFileError(`${this.file}: cannot be written: ${reasonOf(error)}. No item was changed.`, {
        cause: error,
      });
    }
    this.#text = text;
  }
}

const checksumOf = (changes: ItemChanges): string => {
  const { items, removed } = changes;
  return createHash("sha256").update(JSON.stringify({ items, removed })).digest("hex");
};

async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw new ItemFileError(`${file}: cannot be read: ${reasonOf(error)}`, { cause: error });
  }
}
