// The README's example of documents and batches runs and prints what the README promises.
import fs from "node:fs";
import path from "node:path";
import { expect, test, vi } from "vitest";

test("the example under “Documents and batches”", async () => {
  const readme = fs.readFileSync(path.join(import.meta.dirname, "..", "README.md"), "utf8");
  const section = readme.slice(readme.indexOf("\n## Documents and batches\n"));
  const [, code] = /```ts\n([\s\S]*?)```/.exec(section) ?? [];
  const [, promised] = /```text\n([\s\S]*?)```/.exec(section) ?? [];
  if (code === undefined || promised === undefined)
    throw new Error("the section has no ```ts block with a ```text block");
  const file = path.join(import.meta.dirname, `.documents-example-${process.pid}.ts`);
  const printed: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void printed.push(line));
  fs.writeFileSync(file, code);
  try {
    await import(/* @vite-ignore */ file);
  } finally {
    log.mockRestore();
    fs.rmSync(file);
  }
  expect(printed).toEqual(promised.trimEnd().split("\n"));
});
