// Looks into an unpacked tarball: what has to be there, what must not be, and whether its source maps lead somewhere.
import fs from "node:fs";
import path from "node:path";

/**
 * What is wrong with the files and the package.json of an unpacked tarball; an empty list when nothing is.
 *
 * @param {{ contents: string, manifest: Record<string, any> }} unpacked its folder and its parsed package.json
 */
export function contentProblems({ contents, manifest }) {
  /** @type {string[]} */
  const problems = [];
  const files = fs
    .readdirSync(contents, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(contents, path.join(entry.parentPath, entry.name)).split(path.sep).join("/"));
  for (const needed of ["README.md", "LICENSE", "package.json"]) {
    if (!files.includes(needed)) problems.push(`contents: ${needed} is not in the tarball`);
  }
  if (!files.some((file) => /^dist\/.*\.d\.ts$/.test(file))) problems.push("contents: no declaration file below dist/");
  for (const file of files) {
    const isExpected =
      /^(dist|embedded|scripts)\//.test(file) || /^(README\.md|LICENSE|CHANGELOG\.md|package\.json)$/.test(file);
    const isPrivate = /(^|\/)(test|tests|fixtures|bench|node_modules)\/|\.(test|spec)\.|\.tsbuildinfo$/.test(file);
    if (!isExpected || isPrivate) problems.push(`contents: ${file} does not belong into the tarball`);
    const text = /\.(js|map|ts)$/.test(file) ? fs.readFileSync(path.join(contents, file), "utf8") : "";
    const mapped = /\/\/# sourceMappingURL=(?!data:)(\S+)\s*$/.exec(text)?.[1];
    if (mapped && !files.includes(path.posix.join(path.posix.dirname(file), mapped))) {
      problems.push(`contents: ${file} names the source map ${mapped}, which is not in the tarball`);
    }
    if (!file.endsWith(".map")) continue;
    const { sources = [], sourcesContent = [] } = JSON.parse(text);
    const missing = sources.filter(
      (/** @type {string} */ source, /** @type {number} */ i) =>
        sourcesContent[i] == null && !files.includes(path.posix.join(path.posix.dirname(file), source)),
    );
    if (missing.length > 0) problems.push(`contents: ${file} maps to ${missing[0]}, which is not in the tarball`);
  }
  for (const [kind, wanted] of Object.entries({ license: "Apache-2.0", type: "module" })) {
    if (manifest[kind] !== wanted) problems.push(`package.json: ${kind} is ${manifest[kind]}, expected ${wanted}`);
  }
  if (!manifest.description) problems.push("package.json: there is no description");
  if (manifest.engines?.node !== ">=20.19") problems.push("package.json: engines.node is expected to be >=20.19");
  const unresolved = JSON.stringify(manifest).match(/"(workspace|catalog|link):[^"]*"/);
  if (unresolved) problems.push(`package.json: ${unresolved[0]} was left in the tarball`);
  return problems;
}
