// Assembles each src/kernels/*.wat into the TypeScript module that holds its bytes.
//   node scripts/build-kernels.mjs
import fs from "node:fs";
import wabt from "wabt";

const folder = new URL("../src/kernels/", import.meta.url);
const { parseWat } = await wabt();
for (const [name, constant] of [
  ["kernels", "KERNELS"],
  ["sparse", "SPARSE"],
]) {
  const module = parseWat(`${name}.wat`, fs.readFileSync(new URL(`${name}.wat`, folder), "utf8"));
  const lines =
    Buffer.from(module.toBinary({}).buffer)
      .toString("base64")
      .match(/.{1,116}/g) ?? [];
  fs.writeFileSync(
    new URL(`${name}.wasm.ts`, folder),
    `// Assembled from ${name}.wat by scripts/build-kernels.mjs.
/** WebAssembly, in base64. */
export const ${constant} =
${lines.map((line) => `  "${line}"`).join(" +\n")};
`,
  );
}
