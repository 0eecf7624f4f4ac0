// Assembles src/kernels/kernels.wat into the TypeScript module that holds its bytes.
//   node scripts/build-kernels.mjs
import fs from "node:fs";
import wabt from "wabt";

const folder = new URL("../src/kernels/", import.meta.url);
const module = (await wabt()).parseWat("kernels.wat", fs.readFileSync(new URL("kernels.wat", folder), "utf8"));
const lines =
  Buffer.from(module.toBinary({}).buffer)
    .toString("base64")
    .match(/.{1,116}/g) ?? [];
fs.writeFileSync(
  new URL("kernels.wasm.ts", folder),
  `// Assembled from kernels.wat by scripts/build-kernels.mjs.
/** WebAssembly, in base64. */
export const KERNELS =
${lines.map((line) => `  "${line}"`).join(" +\n")};
`,
);
