// Serving loads no trainer and no DuckDB: the built files that importing the package loads are followed from import to
// import.
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

/** Names that a trainer's code has and that of a reader has not. */
const TRAINERS = /\b(trainWeights|tensorBoardLog|mapObjective|clipByGlobalNorm|TableOptimiser)\b/;
const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");

/** Every built file of the workspace that importing `entry` loads at once, and the other modules that these import. */
function loadedBy(entry: string): { files: string[]; modules: Set<string> } {
  const files = new Set<string>();
  const modules = new Set<string>();
  const visit = (file: string) => {
    if (files.has(file)) return;
    files.add(file);
    const { resolve } = createRequire(file);
    // `import … from "x"`, `export … from "x"`, `import "x"`; not `import("x")`, which loads when it is reached.
    for (const [, name = ""] of fs
      .readFileSync(file, "utf8")
      .matchAll(/^(?:import|export|\})[^;"(]*"([^"\n]+)";?$/gm)) {
      if (name.startsWith(".") || name.startsWith("@cllm4rec/")) visit(fs.realpathSync(resolve(name)));
      else modules.add(name);
    }
  };
  visit(entry);
  return { files: [...files], modules };
}

it("loads the readers of model directories, and nothing that trains or prepares", () => {
  const { files, modules } = loadedBy(path.join(root, "dist/index.js"));
  const names = files.map((file) => path.relative(path.dirname(root), file));
  // What serving needs is found, so that the walk is not an empty one.
  for (const needed of ["training/dist/model.js", "corpus/dist/prompts.js", "backbone/dist/index.js"])
    expect(names).toContain(needed);
  expect(modules).toContain("fastest-levenshtein");
  for (const unneeded of ["training/dist/index.js", "corpus/dist/index.js"]) expect(names).not.toContain(unneeded);
  expect([...modules].filter((name) => name.startsWith("@duckdb"))).toEqual([]);
  const training = files.filter((file) => file.includes("/training/dist/"));
  expect(training.length).toBeGreaterThan(1);
  for (const file of training) {
    const text = fs.readFileSync(file, "utf8");
    expect(text, file).not.toMatch(TRAINERS);
  }
});

it("the trainers are found where they are loaded", () => {
  const { files } = loadedBy(path.join(root, "../training/dist/index.js"));
  expect(files.map((file) => fs.readFileSync(file, "utf8")).join("\n")).toMatch(TRAINERS);
});
