// Plants faults in small packages and expects the checks of what would be published to find each.
import assert from "node:assert/strict";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { typeErrors } from "../lib/smoke-types.mjs";
import { contentProblems } from "../lib/tarball-contents.mjs";

const good = {
  name: "@cllm4rec/a",
  license: "Apache-2.0",
  type: "module",
  description: "a",
  engines: { node: ">=20.19" },
  exports: { ".": { types: "./dist/index.d.ts", default: "./dist/index.js" } },
};

function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
}

function temporary(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "published-"));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/**
 * The problems of a good tarball after `files` were written over it (null removes one) and `changes` made in its
 * package.json.
 */
function problemsWith(t, files = {}, changes = {}) {
  const contents = temporary(t);
  const manifest = { ...good, ...changes };
  const all = {
    "package.json": JSON.stringify(manifest),
    "README.md": "# a\n",
    LICENSE: "Apache\n",
    "dist/index.js": "export const a = 1;\n//# sourceMappingURL=index.js.map",
    "dist/index.js.map": '{"version": 3, "sources": ["../src/index.ts"], "sourcesContent": ["export const a = 1;"]}',
    "dist/index.d.ts": "export declare const a = 1;\n",
    ...files,
  };
  write(contents, Object.fromEntries(Object.entries(all).filter(([, text]) => text !== null)));
  return contentProblems({ contents, manifest });
}

test("a complete tarball has no problem", (t) => assert.deepEqual(problemsWith(t), []));

for (const [what, files, changes, expected] of [
  ["no README", { "README.md": null }, {}, /README\.md is not in the tarball/],
  ["no licence text", { LICENSE: null }, {}, /LICENSE is not in the tarball/],
  ["no declarations", { "dist/index.d.ts": null }, {}, /no declaration file below dist/],
  ["sources", { "src/index.ts": "" }, {}, /src\/index\.ts does not belong/],
  ["a test", { "dist/index.test.js": "" }, {}, /dist\/index\.test\.js does not belong/],
  ["a missing source map", { "dist/index.js.map": null }, {}, /names the source map index\.js\.map, which is not/],
  [
    "a source map without its source",
    { "dist/index.js.map": '{"version": 3, "sources": ["../src/index.ts"]}' },
    {},
    /dist\/index\.js\.map maps to \.\.\/src\/index\.ts, which is not/,
  ],
  ["another licence", {}, { license: "MIT" }, /license is MIT, expected Apache-2\.0/],
  ["no engines", {}, { engines: {} }, /engines\.node is expected/],
  ["a workspace range", {}, { dependencies: { "@cllm4rec/b": "workspace:^" } }, /"workspace:\^" was left/],
]) {
  test(`finds ${what}`, (t) => {
    const problems = problemsWith(t, files, changes);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0], expected);
  });
}

/** Type errors of a project with one package installed that declares `declarations`. */
function typesOf(t, declarations) {
  const project = fs.realpathSync(temporary(t));
  write(project, {
    "package.json": '{"type": "module"}',
    "node_modules/@cllm4rec/a/package.json": JSON.stringify(good),
    "node_modules/@cllm4rec/a/dist/index.js": "export const a = 1;\n",
    "node_modules/@cllm4rec/a/dist/index.d.ts": declarations,
    "node_modules/other/package.json": '{"name": "other", "type": "module", "types": "./index.d.ts"}',
    "node_modules/other/index.d.ts": "export declare const broken: NoSuchType;\n",
  });
  fs.mkdirSync(path.join(project, "node_modules", "@types"));
  const nodeTypes = fs.realpathSync(fileURLToPath(new URL("../../node_modules/@types/node", import.meta.url)));
  fs.symlinkSync(nodeTypes, path.join(project, "node_modules", "@types", "node"), "junction");
  return typeErrors(project, [{ name: "@cllm4rec/a", entries: ["@cllm4rec/a"] }]);
}

test("declarations that type are fine, even beside a third-party package that does not", (t) => {
  assert.deepEqual(typesOf(t, 'import type {} from "other";\nexport declare const a: Buffer;\n'), []);
});

for (const [what, declarations, expected] of [
  ["an unknown type", "export declare const a: Missing;\n", /index\.d\.ts:1: Cannot find name 'Missing'/],
  [
    "an import of what is not installed",
    'import { b } from "absent";\nexport declare const a: typeof b;\n',
    /index\.d\.ts:1: Cannot find module 'absent'/,
  ],
  [
    "a relative import without its extension",
    'export { a } from "./part";\n',
    /index\.d\.ts:1: Relative import paths need explicit file extensions|Cannot find module '\.\/part'/,
  ],
]) {
  test(`finds ${what} in declarations, and whose it is`, (t) => {
    const errors = typesOf(t, declarations);
    assert.ok(errors.length >= 1);
    assert.equal(errors[0].name, "@cllm4rec/a");
    assert.match(errors[0].text, expected);
  });
}
