#!/usr/bin/env node
// Source lines fit in 120 columns. Biome wraps code but neither comments, strings nor templates, so these are checked
// here.
//   node scripts/check-lines.mjs
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const WIDTH = 120;
const SOURCE = /\.([cm]?[jt]s|py)$/;
const GENERATED = /(^|\/)fixtures\/|\.wasm\.ts$|(^|\/)embedded\/tiny-lm\//;

/** Lines that a break would make harder to read: a test's title, a regular expression or a URL. */
const UNBREAKABLE = [
  /^\s*(it|test|describe)(\.\w+)*(\(.*?\))?\(["'`]/,
  /^\s*(const \w+ = )?\/[^/*].*\/[a-z]*[,;]?$/,
  /^\W*https?:\/\/\S+$/,
];

/** The numbers of the lines of a source file, from 1, that are too wide. */
export function wideLines(/** @type {string} */ source) {
  return source.split("\n").flatMap((line, i) => {
    const fits = [...line].length <= WIDTH || UNBREAKABLE.some((pattern) => pattern.test(line));
    return fits ? [] : [i + 1];
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "..");
  const listed = execFileSync("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], { cwd: root });
  const files = listed
    .toString()
    .split("\0")
    .filter((file) => SOURCE.test(file) && !GENERATED.test(file) && fs.existsSync(path.join(root, file)));
  const wide = files.flatMap((file) =>
    wideLines(fs.readFileSync(path.join(root, file), "utf8")).map((line) => `${file}:${line}`),
  );
  for (const place of wide) {
    console.error(`${place}: wider than ${WIDTH} columns; wrap the comment, or split the string with +`);
  }
  if (wide.length > 0) process.exitCode = 1;
  else console.log(`${files.length} source files, no line over ${WIDTH} columns.`);
}
