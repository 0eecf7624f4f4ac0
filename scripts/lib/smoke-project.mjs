// An empty project that installs the packed packages as a user would, with third-party versions exactly as the
// workspace's lockfile has them. Its lockfile is derived from ours, so that nothing is resolved again and everything
// comes out of pnpm's store without a network.
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { environment } from "./run.mjs";

const execute = promisify(execFile);

/**
 * Writes the project into `folder` and installs it.
 *
 * @param {string} root the workspace
 * @param {string} folder where the project is made
 * @param {{ name: string, folder: string, tarball: string, manifest: Record<string, any> }[]} packed
 */
export async function installProject(root, folder, packed) {
  const workspace = parse(fs.readFileSync(path.join(root, "pnpm-lock.yaml"), "utf8"));
  const byName = new Map(
    packed.map((one) => [one.name, `file:${path.relative(folder, one.tarball).split(path.sep).join("/")}`]),
  );
  const nodeTypes = workspace.importers["."].devDependencies["@types/node"].version;
  const packages = { ...workspace.packages };
  const snapshots = { ...workspace.snapshots };

  for (const { name, folder: source, tarball, manifest } of packed) {
    const id = `${name}@${byName.get(name)}`;
    const importer = workspace.importers[path.relative(root, source).split(path.sep).join("/")] ?? {};
    const integrity = `sha512-${createHash("sha512").update(fs.readFileSync(tarball)).digest("base64")}`;
    const { version, engines, bin } = manifest;
    packages[id] = { resolution: { integrity, tarball: byName.get(name) }, version, engines, hasBin: Boolean(bin) };
    /** @type {Record<string, Record<string, string>>} */
    const snapshot = {};
    for (const kind of ["dependencies", "optionalDependencies"]) {
      for (const dependency of Object.keys(manifest[kind] ?? {})) {
        const locked = byName.get(dependency) ?? importer[kind]?.[dependency]?.version;
        if (!locked) {
          throw new Error(
            `${name} depends on ${dependency}, which pnpm-lock.yaml does not have: run \`npx pnpm install\``,
          );
        }
        snapshot[kind] = { ...snapshot[kind], [dependency]: locked };
      }
    }
    snapshots[id] = snapshot;
  }

  const overrides = Object.fromEntries(byName);
  const dependencies = { ...overrides };
  const specifiers = (/** @type {Record<string, string>} */ all) =>
    Object.fromEntries(Object.entries(all).map(([name, version]) => [name, { specifier: version, version }]));
  const lockfile = {
    lockfileVersion: workspace.lockfileVersion,
    settings: workspace.settings,
    overrides,
    importers: {
      ".": { dependencies: specifiers(dependencies), devDependencies: specifiers({ "@types/node": nodeTypes }) },
    },
    packages,
    snapshots,
  };
  fs.mkdirSync(folder, { recursive: true });
  const write = (/** @type {string} */ file, /** @type {unknown} */ value) =>
    fs.writeFileSync(path.join(folder, file), `${JSON.stringify(value, null, 2)}\n`);
  write("package.json", {
    name: "consumer",
    private: true,
    type: "module",
    dependencies,
    devDependencies: { "@types/node": nodeTypes },
    pnpm: { overrides },
  });
  write("pnpm-lock.yaml", lockfile); // JSON is YAML
  const pnpm = path.join(root, "node_modules", "pnpm", "bin", "pnpm.cjs");
  const args = [pnpm, "install", "--frozen-lockfile", "--prefer-offline", "--ignore-scripts", "--ignore-workspace"];
  try {
    await execute(process.execPath, args, { cwd: folder, env: environment, maxBuffer: 1 << 26 });
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error);
    throw new Error(`the tarballs cannot be installed together (pnpm install):\n${stdout}${stderr}`);
  }
}
