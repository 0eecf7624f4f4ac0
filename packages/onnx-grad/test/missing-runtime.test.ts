// Where onnxruntime-node is not installed, or has no binding for the platform, the first load says what to do. Run on a
// copy of this package.
import { execFile } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), "cllm4rec-runtime-")));
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

const SCRIPT = `
import { Graph, onnxRuntime } from "@cllm4rec/onnx-grad";
const graph = new Graph("double");
const x = graph.input("x", "float32", ["n"]);
graph.output("y", graph.op.Add(x, x));
const engine = onnxRuntime();
for (let i = 0; i < 2; i++)
  await engine.load(graph).then(() => console.log("loaded"), (error) => console.log(error.name + ": " + error.message));
await engine.dispose();
`;

/** The lines that the script prints in a project where onnxruntime-node is what `install` leaves there. */
async function run(name: string, install: (modules: string) => void): Promise<string[]> {
  const project = path.join(folder, name);
  const modules = path.join(project, "node_modules");
  const own = path.join(modules, "@cllm4rec", "onnx-grad");
  fs.mkdirSync(own, { recursive: true });
  fs.copyFileSync(path.join(root, "package.json"), path.join(own, "package.json"));
  fs.cpSync(path.join(root, "dist"), path.join(own, "dist"), { recursive: true });
  fs.symlinkSync(fs.realpathSync(path.join(root, "node_modules", "protobufjs")), path.join(modules, "protobufjs"));
  install(modules);
  fs.writeFileSync(path.join(project, "script.mjs"), SCRIPT);
  const { stdout } = await promisify(execFile)(process.execPath, ["script.mjs"], { cwd: project });
  return stdout.trim().split("\n");
}

const EXPECTED =
  /^EngineError: graph double: onnxruntime-node could not be loaded\. .*ONNXRUNTIME_NODE_INSTALL=skip npm install.*Node says: Cannot find/;

it("is not installed", async () => {
  const lines = await run("absent", () => {});
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(EXPECTED);
});

it("has no binding for this platform", async () => {
  const source = fs.realpathSync(path.join(root, "node_modules", "onnxruntime-node"));
  const lines = await run("unbound", (modules) => {
    for (const part of ["package.json", "dist"])
      fs.cpSync(path.join(source, part), path.join(modules, "onnxruntime-node", part), { recursive: true });
    const common = path.join(path.dirname(source), "onnxruntime-common");
    fs.symlinkSync(common, path.join(modules, "onnxruntime-common"));
  });
  expect(lines).toHaveLength(2);
  for (const line of lines) expect(line).toMatch(EXPECTED);
});

it("is there", async () => {
  const lines = await run("present", (modules) => {
    const source = fs.realpathSync(path.join(root, "node_modules", "onnxruntime-node"));
    fs.symlinkSync(source, path.join(modules, "onnxruntime-node"));
  });
  expect(lines).toEqual(["loaded", "loaded"]);
});
