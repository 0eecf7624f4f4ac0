// Plants violations in a small workspace of its own and expects check-imports.mjs to find each, naming the import and
// the reason.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { checkImports } from "../check-imports.mjs";
import { mayImport } from "../package-table.mjs";

const script = fileURLToPath(new URL("../check-imports.mjs", import.meta.url));

/** Writes `files` (path → text) over a workspace of three well-behaved packages and returns its folder. */
function workspace(t, files = {}) {
  const root = fs.mkdtempSync(path.join(os.tmpdir(), "check imports "));
  t.after(() => fs.rmSync(root, { recursive: true, force: true }));
  const manifest = (name, more = {}) =>
    JSON.stringify({ name: `@cllm4rec/${name}`, exports: { ".": "./dist/index.js" }, ...more });
  const all = {
    "packages/tokenizer-ext/package.json": manifest("tokenizer-ext"),
    "packages/tokenizer-ext/src/index.ts": 'export { encode } from "./encode.js";\n',
    "packages/tokenizer-ext/src/encode.ts": "export const encode = (text: string): number[] => [text.length];\n",
    "packages/corpus/package.json": manifest("corpus", {
      dependencies: { "@cllm4rec/tokenizer-ext": "workspace:^", zod: "4.6.7" },
      devDependencies: { "@cllm4rec/testing": "workspace:*", vitest: "4.1.12" },
    }),
    "packages/corpus/src/index.ts":
      'import fs from "node:fs";\nimport { encode } from "@cllm4rec/tokenizer-ext";\nimport { z } from "zod";\n' +
      "export const all = [fs, encode, z];\n",
    "packages/corpus/test/index.test.ts":
      'import { expectClose } from "@cllm4rec/testing";\nimport { test } from "vitest";\nimport { all } from ' +
      '"@cllm4rec/corpus";\nimport * as inner from "../src/index.js";\ntest("x", () => expectClose([all, ' +
      "inner]));\n",
    "packages/eval/package.json": manifest("eval"),
    "packages/eval/src/index.ts": "export const recall = 1;\n",
    "tooling/testing/package.json": manifest("testing"),
    "tooling/testing/src/index.ts": "export const expectClose = (): void => {};\n",
    ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    fs.mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    fs.writeFileSync(path.join(root, name), text);
  }
  return root;
}

test("a workspace that keeps the table has no violation", async (t) => {
  const { errors, files, imports } = await checkImports(workspace(t));
  assert.deepEqual(errors, []);
  assert.equal(files, 6);
  assert.equal(imports, 8);
});

test("the real table runs one way and holds every package of the design", async (t) => {
  const { errors } = await checkImports(workspace(t), { table: mayImport });
  assert.deepEqual(errors, []);
  assert.deepEqual(mayImport.finetune, ["training", "backbone", "corpus", "eval", "recommend"]);
  assert.deepEqual(mayImport["onnx-grad"], []);
});

const source = (text) => ({ "packages/eval/src/index.ts": text });
const planted = [
  {
    name: "an import that the table does not allow, declared or not",
    files: source('import { all } from "@cllm4rec/corpus";\nexport const recall = all;\n'),
    expected:
      /^packages\/eval\/src\/index\.ts imports "@cllm4rec\/corpus": eval may import no other package \(scripts\/package-table\.mjs\)$/,
  },
  {
    name: "a type-only import against the table",
    files: source('import type { all } from "@cllm4rec/corpus";\nexport type Recall = typeof all;\n'),
    expected: /"@cllm4rec\/corpus": eval may import no other package/,
  },
  {
    name: "a dynamic import against the table",
    files: source('export const recall = () => import("@cllm4rec/corpus");\n'),
    expected: /"@cllm4rec\/corpus": eval may import no other package/,
  },
  {
    name: "a re-export against the table",
    files: source('export * from "@cllm4rec/tokenizer-ext";\n'),
    expected: /"@cllm4rec\/tokenizer-ext": eval may import no other package/,
  },
  {
    name: "a test that imports against the table",
    files: { "packages/eval/test/a.test.ts": 'import "@cllm4rec/corpus";\n' },
    expected: /packages\/eval\/test\/a\.test\.ts imports "@cllm4rec\/corpus": eval may import no other package/,
  },
  {
    name: "a package.json that depends against the table",
    files: {
      "packages/eval/package.json": '{"name": "@cllm4rec/eval", "dependencies": {"@cllm4rec/corpus": "workspace:^"}}',
    },
    expected:
      /packages\/eval\/package\.json: dependencies names @cllm4rec\/corpus, but eval may import no other package/,
  },
  {
    name: "an allowed import that package.json does not declare",
    files: {
      "packages/corpus/package.json":
        '{"name": "@cllm4rec/corpus", "exports": {".": "./dist/index.js"}, "dependencies": {"zod": "4.6.7"}, ' +
        '"devDependencies": {"vitest": "1", "@cllm4rec/testing": "1"}}',
    },
    expected: /"@cllm4rec\/tokenizer-ext": @cllm4rec\/tokenizer-ext is not among the dependencies/,
  },
  {
    name: "a circular import",
    files: {
      ...source('export { b } from "./b.js";\nexport const a = 1;\n'),
      "packages/eval/src/b.ts": 'import { a } from "./index.js";\nexport const b = a;\n',
    },
    expected: /circular import packages\/eval\/src\/\S+ → packages\/eval\/src\/\S+ → packages\/eval\/src\//,
  },
  {
    name: "a circular import beside an allowed one of types",
    files: {
      ...source('import type { C } from "./c.js";\nexport { b } from "./b.js";\nexport const a: C = 1;\n'),
      "packages/eval/src/b.ts": 'export { d as b } from "./d.js";\n',
      "packages/eval/src/c.ts": 'import type { a } from "./index.js";\nexport type C = 1 | typeof a;\n',
      "packages/eval/src/d.ts": 'import * as b from "./b.js";\nexport const d = () => b;\n',
    },
    expected:
      /circular import packages\/eval\/src\/(b\.ts → packages\/eval\/src\/d\.ts → packages\/eval\/src\/b\.ts|d\.ts → \S+b\.ts → \S+d\.ts)$/,
  },
  {
    name: "a deep import past another package's exports",
    files: {
      "packages/corpus/src/deep.ts":
        'import { encode } from "@cllm4rec/tokenizer-ext/dist/encode.js";\nexport const e = encode;\n',
    },
    expected: /reaches past the public entries of @cllm4rec\/tokenizer-ext \(its exports are \.\)/,
  },
  {
    name: "another package's source by path",
    files: {
      "packages/corpus/src/deep.ts":
        'import { encode } from "../../tokenizer-ext/src/encode.js";\nexport const e = encode;\n',
    },
    expected: /reaches into packages\/tokenizer-ext\/src\/encode\.ts by path/,
  },
  {
    name: "a devDependency in published code",
    files: { "packages/corpus/src/dev.ts": 'import { test } from "vitest";\nexport const t = test;\n' },
    expected: /"vitest": vitest is only a devDependency in packages\/corpus\/package\.json/,
  },
  {
    name: "an undeclared third-party package in published code",
    files: source('import { pick } from "lodash";\nexport const recall = pick;\n'),
    expected: /"lodash": lodash is not among the dependencies in packages\/eval\/package\.json/,
  },
  {
    name: "the private test helpers in published code",
    files: { "packages/corpus/src/t.ts": 'export { expectClose } from "@cllm4rec/testing";\n' },
    expected: /@cllm4rec\/testing is private to the tests/,
  },
  {
    name: "published code that imports a test file",
    files: {
      ...source('export { helper } from "../test/helper.js";\n'),
      "packages/eval/test/helper.ts": "export const helper = 1;\n",
    },
    expected: /published code may not import test\/helper\.ts/,
  },
  {
    name: "a package that imports its own build",
    files: source('export { recall } from "@cllm4rec/eval";\n'),
    expected: /may not import the package's own build/,
  },
  {
    name: "a relative import of a file that is not there",
    files: source('export { gone } from "./gone.js";\n'),
    expected: /imports "\.\/gone\.js": there is no such file/,
  },
  {
    name: "a package that the table does not know",
    files: { "packages/novelty/package.json": '{"name": "@cllm4rec/novelty"}' },
    expected: /the package novelty is not in scripts\/package-table\.mjs/,
  },
];
for (const { name, files, expected } of planted) {
  test(`finds ${name}`, async (t) => {
    const { errors } = await checkImports(workspace(t, files));
    assert.equal(errors.length, 1, errors.join("\n"));
    assert.match(errors[0], expected);
  });
}

test("types of two files may refer to each other", async (t) => {
  const files = {
    ...source('import { type B, b } from "./b.js";\nexport type A = B[];\nexport const a = b;\n'),
    "packages/eval/src/b.ts": 'import type { A } from "./index.js";\nexport type B = A | 1;\nexport const b = 1;\n',
  };
  const { errors } = await checkImports(workspace(t, files));
  assert.deepEqual(errors, []);
});

test("finds a table that does not run one way", async (t) => {
  const table = { "tokenizer-ext": ["corpus"], corpus: ["tokenizer-ext"], eval: ["nowhere"] };
  const { errors } = await checkImports(workspace(t), { table });
  assert.deepEqual(errors, [
    "scripts/package-table.mjs: tokenizer-ext may import corpus, which is on the same line or below it",
    "scripts/package-table.mjs: eval may import nowhere, which is not in the table",
  ]);
});

test("the command exits with 1 and names the import on stderr; without a violation with 0", (t) => {
  const run = (root) => spawnSync(process.execPath, [script, root], { encoding: "utf8" });
  const bad = run(workspace(t, source('import "@cllm4rec/corpus";\n')));
  assert.equal(bad.status, 1);
  assert.match(bad.stderr, /^forbidden import: packages\/eval\/src\/index\.ts imports "@cllm4rec\/corpus"/);
  const good = run(workspace(t));
  assert.equal(good.status, 0, good.stderr);
  assert.match(good.stdout, /^imports: 8 imports in 6 files keep the directions/);
});
