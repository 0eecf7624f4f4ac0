// A fingerprint of what a build reads and writes (paths, sizes, times): equal fingerprints mean that there is nothing
// to build.
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";

// Neither read by a build nor written by it.
const skipped = new Set(["node_modules", ".turbo", "test", "bench", "coverage"]);

/** @returns {string[]} one line per file below `folder`, in a fixed order */
function lines(/** @type {string} */ folder) {
  if (!fs.existsSync(folder)) return [];
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const full = path.join(folder, entry.name);
      if (entry.isDirectory()) return skipped.has(entry.name) ? [] : lines(full);
      const { size, mtimeMs } = fs.statSync(full);
      return [`${full} ${size} ${mtimeMs}`];
    });
}

/** The fingerprint of the workspace at `root`. */
export function fingerprint(/** @type {string} */ root) {
  const top = ["package.json", "pnpm-lock.yaml", "turbo.json"].map((file) => {
    const { size, mtimeMs } = fs.statSync(path.join(root, file));
    return `${file} ${size} ${mtimeMs}`;
  });
  const all = [...top, ...["packages", "tooling", "benchmarks"].flatMap((folder) => lines(path.join(root, folder)))];
  return createHash("sha256").update(all.join("\n")).digest("hex");
}
