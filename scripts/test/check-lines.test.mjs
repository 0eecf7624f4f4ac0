// The check of line widths finds what is too wide, and passes what cannot be broken.
import assert from "node:assert/strict";
import { test } from "node:test";
import { wideLines } from "../check-lines.mjs";

test("a comment, a string or code over 120 characters is found by its line; characters count, not bytes", () => {
  const comment = `// ${"a word ".repeat(20)}`;
  assert.deepEqual(
    wideLines(["short", comment, `const a = "${"x".repeat(110)}";`, "−".repeat(120)].join("\n")),
    [2, 3],
  );
});

test("titles of tests, regular expressions and URLs may be wider", () => {
  const long = "word ".repeat(30);
  assert.deepEqual(
    wideLines(`  it("${long}", () => {\n    /^${long}$/,\n// https://example.org/${"x".repeat(120)}`),
    [],
  );
  assert.deepEqual(wideLines(`  a("${long}");\n// see https://example.org/ ${long}`), [1, 2]);
});
