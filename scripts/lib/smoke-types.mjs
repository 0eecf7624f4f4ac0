// Types the installed packages as a strict TypeScript user would: ESM and CommonJS, moduleResolution NodeNext,
// libraries checked too.
import fs from "node:fs";
import path from "node:path";
import ts from "typescript";

/**
 * Every type error that one of `packages` causes in `project`. Errors inside third-party declarations are theirs, and
 * left out.
 *
 * @param {string} project folder with the packages installed
 * @param {{ name: string, entries: string[] }[]} packages
 * @returns {{ name: string, text: string }[]}
 */
export function typeErrors(project, packages) {
  const owners = new Map();
  for (const [index, { name, entries }] of packages.entries()) {
    const uses = entries.map((_, i) => `export type Names${i} = keyof typeof entry${i};\n`).join("");
    const esm = entries.map((entry, i) => `import * as entry${i} from ${JSON.stringify(entry)};\n`).join("");
    const cjs = entries.map((entry, i) => `import entry${i} = require(${JSON.stringify(entry)});\n`).join("");
    for (const [extension, text] of Object.entries({ mts: esm + uses, cts: cjs + uses })) {
      const file = path.join(project, `types-${index}.${extension}`);
      fs.writeFileSync(file, text);
      owners.set(file, name);
    }
  }
  const program = ts.createProgram([...owners.keys()], {
    strict: true,
    noEmit: true,
    skipLibCheck: false,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts"],
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    exactOptionalPropertyTypes: true,
    types: ["node"],
    typeRoots: [path.join(project, "node_modules", "@types")],
  });
  return ts.getPreEmitDiagnostics(program).flatMap((diagnostic) => {
    const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n");
    if (!diagnostic.file) return packages.map(({ name }) => ({ name, text }));
    const { fileName } = diagnostic.file;
    const name =
      owners.get(path.normalize(fileName)) ??
      packages.find((one) => path.normalize(fileName).includes(path.join("node_modules", one.name) + path.sep))?.name;
    if (!name) return [];
    const { line } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
    return [{ name, text: `${path.relative(project, fileName)}:${line + 1}: ${text}` }];
  });
}
