// Where the sample data, the tiny LM and the demo's settings are: beside the program, in the package and in a checkout
// alike.
import { createRequire } from "node:module";
import path from "node:path";

/** The path of something in this package's folder `embedded`. */
export function embedded(...names: string[]): string {
  const manifest = createRequire(import.meta.url).resolve("@cllm4rec/cli/package.json");
  return path.join(path.dirname(manifest), "embedded", ...names);
}
