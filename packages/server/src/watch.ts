// Whether a model directory was replaced, told by its tables and ids: a rename, a new link or new bytes change one of
// these numbers.
import fs from "node:fs/promises";
import path from "node:path";

/**
 * Calls `changed` when the directories' content has changed and is the same in two looks. The function returned ends
 * the watch.
 */
export function watchModels(
  directories: readonly string[],
  interval: number,
  changed: () => Promise<void>,
): () => Promise<void> {
  let stopped = false;
  let wake = () => {};
  const watching = (async () => {
    let known = await fingerprint(directories);
    let last = known;
    while (!stopped) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, interval);
        wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      if (stopped) break;
      const now = await fingerprint(directories);
      if (now !== undefined && now !== known && now === last) {
        known = now;
        await changed();
      }
      last = now;
    }
  })();
  return async () => {
    stopped = true;
    wake();
    await watching;
  };
}

const IDS = new Set(["users.json", "items.json", "titles.json"]);

/** `undefined` while a directory or its embeddings are missing, as between the two renames of a replacement. */
async function fingerprint(directories: readonly string[]): Promise<string | undefined> {
  try {
    const parts = directories.map(async (directory) => {
      const names = (await fs.readdir(directory))
        .filter((name) => name.endsWith(".safetensors") || IDS.has(name))
        .sort();
      if (!names.includes("embeddings.safetensors")) throw new Error(`${directory}: no embeddings`);
      const stats = await Promise.all(names.map((name) => fs.stat(path.join(directory, name))));
      return stats.map(({ dev, ino, size, mtimeMs }, at) => `${names[at]}:${dev}:${ino}:${size}:${mtimeMs}`).join(" ");
    });
    return (await Promise.all(parts)).join("\n");
  } catch {
    return undefined;
  }
}
