// Real data and models that lie beside a developer's checkout; a user's checkout has none, and the tests that need them
// skip.
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../../shared");

/**
 * The absolute path of `relative` inside the shared folder, or `undefined` (with a line on stderr) where it is absent.
 */
export function sharedPath(relative: string): string | undefined {
  const full = path.join(root, relative);
  if (fs.existsSync(full)) return full;
  console.warn(`skipping what needs shared/${relative}: not present beside this checkout`);
  return undefined;
}

/**
 * The Hugging Face directory of SmolLM2-135M (unpacked once into the user's cache), or `undefined` where it is absent.
 */
export function smollm2Directory(): string | undefined {
  const script = sharedPath("models/unpack.mjs");
  return script && execFileSync(process.execPath, [script], { encoding: "utf8" }).trim();
}
