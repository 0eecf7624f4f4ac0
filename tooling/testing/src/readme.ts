// Executes a ```ts block of a package's README as a module, so that the example a newcomer copies really runs.
import fs from "node:fs";
import path from "node:path";
import { vi } from "vitest";

/** Which TypeScript block of a README is meant. */
export interface ReadmeExample {
  /** The heading that the block comes after, such as `## Text encoders`; the top of the file where absent. */
  readonly section?: string;
  /** Which of the blocks from there on, from 0; default 0. */
  readonly example?: number;
}

/**
 * Runs a TypeScript block of `<packageDirectory>/README.md` and returns what it printed with `console.log`, line by
 * line, beside the lines of the first ```text block that follows it (the output that the README promises).
 */
export async function runReadmeExample(
  packageDirectory: string,
  { section = "", example = 0 }: ReadmeExample = {},
): Promise<{ printed: string[]; promised: string[] }> {
  const whole = fs.readFileSync(path.join(packageDirectory, "README.md"), "utf8");
  const from = section === "" ? 0 : whole.indexOf(`\n${section}\n`);
  if (from < 0) throw new Error(`${packageDirectory}/README.md has no heading ${section}`);
  const readme = whole.slice(from);
  const code = [...readme.matchAll(/```ts\n([\s\S]*?)```/g)][example];
  if (!code) throw new Error(`${packageDirectory}/README.md has no \`\`\`ts block ${example}`);
  const output = /```text\n([\s\S]*?)```/.exec(readme.slice(code.index + code[0].length));
  const file = path.join(packageDirectory, "test", `.readme-example-${process.pid}-${from}-${example}.ts`);
  const printed: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((...values: unknown[]) => {
    printed.push(...values.map(String).join(" ").split("\n"));
  });
  fs.writeFileSync(file, code[1]!);
  try {
    await import(/* @vite-ignore */ file);
  } finally {
    log.mockRestore();
    fs.rmSync(file);
  }
  return { printed, promised: output ? output[1]!.trimEnd().split("\n") : [] };
}
