// What a command that wrote vectors says of them.
import type { CliContext } from "../context.js";

/** One line on stderr, or with `json` one object on stdout. */
export function reportVectors(
  { stdout, stderr }: CliContext,
  { json }: { readonly json?: boolean },
  written: { readonly file: string; readonly items: number; readonly width: number },
): void {
  if (json) stdout.write(`${JSON.stringify(written)}\n`);
  else stderr.write(`${written.file}: ${written.items} vectors of ${written.width} numbers\n`);
}
