// Whether a model directory was replaced, told by its largest file: a rename, a new link or new bytes change one of these numbers.
import fs from "node:fs/promises";
import path from "node:path";

/** Calls `changed` when the directories' content has changed and is the same in two looks. The function returned ends the watch. */
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

/** `undefined` while one of them is missing, as between the two renames of a replacement. */
async function fingerprint(directories: readonly string[]): Promise<string | undefined> {
  const files = directories.flatMap((directory) =>
    ["embeddings.safetensors", "histories.safetensors", "titles.json"].map((name) => path.join(directory, name)),
  );
  const stats = await Promise.all(files.map((file) => fs.stat(file).catch(() => undefined)));
  if (files.some((file, at) => file.endsWith("embeddings.safetensors") && !stats[at])) return undefined;
  return stats.map((one) => (one ? `${one.dev}:${one.ino}:${one.size}:${one.mtimeMs}` : "-")).join(" ");
}
