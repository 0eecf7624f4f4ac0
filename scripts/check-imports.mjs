#!/usr/bin/env node
// Import directions: every import and every declared dependency is held against package-table.mjs; a violation ends in
// exit code 1.
//   node scripts/check-imports.mjs [workspace folder]
import fs from "node:fs";
import { isBuiltin } from "node:module";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { cruise } from "dependency-cruiser";
import { mayImport, privateTools, scope } from "./package-table.mjs";

/**
 * @typedef {{ folder: string, short: string, isPackage: boolean, allowed: string[], manifest: Record<string, any> }}
 *   Member One workspace member; `folder` is relative to the workspace with forward slashes, `short` its name without
 *   the scope.
 * @typedef {{ table?: Record<string, string[]>, tools?: string[] }} Rules
 */

const table = "scripts/package-table.mjs";
const list = (/** @type {string[]} */ names) => (names.length === 0 ? "no other package" : names.join(", "));

/** The package part of an import specifier: `@a/b/c` → `@a/b`, `x/y` → `x`. */
const packageOf = (/** @type {string} */ specifier) =>
  specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");

/** The table must itself run one way: a package may import only packages above it. */
function tableErrors(/** @type {Record<string, string[]>} */ rules) {
  const names = Object.keys(rules);
  return Object.entries(rules).flatMap(([name, targets], line) =>
    targets.flatMap((target) => {
      const at = names.indexOf(target);
      if (at < 0) return [`${table}: ${name} may import ${target}, which is not in the table`];
      return at < line ? [] : [`${table}: ${name} may import ${target}, which is on the same line or below it`];
    }),
  );
}

/** @returns {Member[]} */
function members(/** @type {string} */ root, /** @type {Record<string, string[]>} */ rules) {
  const folders = ["packages", "tooling"].flatMap((parent) =>
    fs.existsSync(path.join(root, parent))
      ? fs.readdirSync(path.join(root, parent)).map((name) => `${parent}/${name}`)
      : [],
  );
  return [...folders, "benchmarks"]
    .filter((folder) => fs.existsSync(path.join(root, folder, "package.json")))
    .map((folder) => {
      const manifest = JSON.parse(fs.readFileSync(path.join(root, folder, "package.json"), "utf8"));
      const short = path.posix.basename(folder);
      const isPackage = folder.startsWith("packages/");
      // Benchmarks measure everything and nobody imports them; tools are below all packages.
      const allowed = isPackage ? (rules[short] ?? []) : folder === "benchmarks" ? Object.keys(rules) : [];
      return { folder, short, isPackage, allowed, manifest };
    });
}

function manifestErrors(
  /** @type {Member} */ member,
  /** @type {Record<string, string[]>} */ rules,
  /** @type {string[]} */ tools,
) {
  const where = `${member.folder}/package.json`;
  /** @type {string[]} */
  const errors = [];
  if (member.isPackage && !(member.short in rules)) {
    errors.push(`${where}: the package ${member.short} is not in ${table}; add it there with what it may import`);
  }
  if (member.manifest.name !== `${scope}/${member.short}` && member.folder !== "benchmarks") {
    errors.push(`${where}: the name is ${member.manifest.name}; the folder says ${scope}/${member.short}`);
  }
  for (const kind of ["dependencies", "peerDependencies", "optionalDependencies", "devDependencies"]) {
    for (const name of Object.keys(member.manifest[kind] ?? {})) {
      if (!name.startsWith(`${scope}/`)) continue;
      const short = name.slice(scope.length + 1);
      if (tools.includes(short)) {
        if (kind !== "devDependencies" && member.isPackage) {
          errors.push(`${where}: ${kind} names ${name}, which is private; it belongs in devDependencies`);
        }
      } else if (!member.allowed.includes(short)) {
        errors.push(
          `${where}: ${kind} names ${name}, but ${member.short} may import ${list(member.allowed)} (${table})`,
        );
      }
    }
  }
  return errors;
}

/**
 * Why `specifier` may not be imported from `file`, or undefined when it may.
 * @returns {string | undefined}
 */
function importError(
  /** @type {{ file: string, specifier: string, resolved: string, unresolved: boolean }} */ edge,
  /** @type {Member} */ member,
  /** @type {Map<string, Member>} */ byName,
  /** @type {Record<string, string[]>} */ rules,
  /** @type {string[]} */ tools,
) {
  const { specifier, resolved } = edge;
  const inSource = edge.file.startsWith(`${member.folder}/src/`);
  if (isBuiltin(specifier)) return undefined;
  if (specifier.startsWith(".") || path.isAbsolute(specifier)) {
    if (edge.unresolved) return "there is no such file";
    if (!resolved.startsWith(`${member.folder}/`)) {
      return `it reaches into ${resolved} by path; import the package by its name instead`;
    }
    const inside = resolved.slice(member.folder.length + 1);
    if (inSource && !inside.startsWith("src/") && inside !== "package.json") {
      return `published code may not import ${inside}: only src/ is built and published`;
    }
    return undefined;
  }
  const name = packageOf(specifier);
  const { dependencies = {}, peerDependencies = {}, optionalDependencies = {}, devDependencies = {} } = member.manifest;
  const declared = { ...dependencies, ...peerDependencies, ...optionalDependencies };
  if (name === member.manifest.name) {
    if (inSource) return "a package's source may not import the package's own build; use a relative path";
  } else if (name.startsWith(`${scope}/`)) {
    const short = name.slice(scope.length + 1);
    if (tools.includes(short)) {
      if (inSource && member.isPackage) return `${name} is private to the tests`;
    } else if (!(short in rules)) {
      return `no package of this name is in ${table}`;
    } else if (!member.allowed.includes(short)) {
      return `${member.short} may import ${list(member.allowed)} (${table})`;
    }
  }
  const target = byName.get(name);
  if (target) {
    const entry = `.${specifier.slice(name.length)}`;
    const { exports = {} } = target.manifest;
    const entries = typeof exports === "string" ? ["."] : Object.keys(exports);
    if (!entries.includes(entry)) {
      return `it reaches past the public entries of ${name} (its exports are ${entries.join(", ")})`;
    }
  }
  if (name === member.manifest.name || name in declared) return undefined;
  if (!(name in devDependencies)) return `${name} is not among the dependencies in ${member.folder}/package.json`;
  if (inSource && member.isPackage) {
    return (
      `${name} is only a devDependency in ${member.folder}/package.json: whoever installs the package does not ` +
      "get it"
    );
  }
  return undefined;
}

/**
 * Every violation in the workspace at `root`, one line each, and what was looked at.
 *
 * @param {string} root folder that holds `packages/`
 * @param {Rules} [rules] the table to check against, by default package-table.mjs
 * @returns {Promise<{ errors: string[], files: number, imports: number }>}
 */
export async function checkImports(root, { table: rules = mayImport, tools = privateTools } = {}) {
  const all = members(root, rules);
  const byName = new Map(all.map((member) => [member.manifest.name, member]));
  const errors = [...tableErrors(rules), ...all.flatMap((member) => manifestErrors(member, rules, tools))];
  const folders = all
    .flatMap(({ folder }) => ["src", "test", "bench"].map((part) => `${folder}/${part}`))
    .filter((folder) => fs.existsSync(path.join(root, folder)));
  if (folders.length === 0) return { errors, files: 0, imports: 0 };

  const { output } = await cruise(folders, {
    baseDir: root,
    doNotFollow: { path: ["node_modules", "/dist/"] },
    exclude: { path: "/fixtures/" },
    tsPreCompilationDeps: true,
    validate: true,
    // Types may refer to each other: `import type` is erased, so a circle through one does not exist when the code
    // runs.
    ruleSet: {
      forbidden: [
        {
          name: "no-circular",
          severity: "error",
          from: {},
          to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } },
        },
      ],
    },
  });
  if (typeof output === "string") throw new Error("dependency-cruiser answered with text, not with its result object");

  let files = 0;
  let imports = 0;
  for (const { source, dependencies } of output.modules) {
    const member = all.find(({ folder }) => source.startsWith(`${folder}/`));
    if (!member || /\/(dist|node_modules)\//.test(source)) continue;
    files++;
    for (const { module: specifier, resolved, couldNotResolve } of dependencies) {
      imports++;
      const edge = { file: source, specifier, resolved, unresolved: couldNotResolve };
      const why = importError(edge, member, byName, rules, tools);
      if (why) errors.push(`${source} imports ${JSON.stringify(specifier)}: ${why}`);
    }
  }
  const seen = new Set();
  for (const { rule, from, cycle } of output.summary.violations) {
    if (rule.name !== "no-circular" || !cycle) continue;
    const names = cycle.map((step) => step.name);
    const key = [...names].sort().join(" ");
    if (!seen.has(key)) errors.push(`${from}: circular import ${[from, ...names].join(" → ")}`);
    seen.add(key);
  }
  return { errors, files, imports };
}

if (process.argv[1] && import.meta.url === pathToFileURL(fs.realpathSync(process.argv[1])).href) {
  const root = path.resolve(process.argv[2] ?? path.join(path.dirname(fileURLToPath(import.meta.url)), ".."));
  const { errors, files, imports } = await checkImports(root);
  if (errors.length > 0) {
    for (const error of errors) console.error(`forbidden import: ${error}`);
    console.error(`\n${errors.length} violation(s). ${table} lists which package may import which.`);
    process.exit(1);
  }
  console.log(`imports: ${imports} imports in ${files} files keep the directions of ${table}.`);
}
