#!/usr/bin/env node
// Builds the binding of @tensorflow/tfjs-node where its own install script cannot: against the C library inside
// TensorFlow's Python wheel.
//   node build-tfjs-node.mjs [--folder DIR] [--gpu] [--tensorflow VERSION] [--keep]
import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { parseArgs } from "node:util";

const help = `Usage: node build-tfjs-node.mjs [options]

Installs @tensorflow/tfjs-node into DIR/node_modules and compiles its binding. Needs Linux, npm, a C++17 compiler (g++
or clang++) and Python 3 with pip; downloads some 200 MB (with --gpu 500 MB) through npm and pip, and nothing else.

  --folder DIR          the project to install into (default: the working directory)
  --gpu                 @tensorflow/tfjs-node-gpu and a wheel built for CUDA 12; running it needs CUDA 12.2 and
                        cuDNN 8.9
  --tensorflow VERSION  the wheel's version (default: 2.15.1)
  --keep                keep the downloads
  --help                this text`;

const { values: options } = parseArgs({
  options: {
    folder: { type: "string", default: process.cwd() },
    gpu: { type: "boolean", default: false },
    tensorflow: { type: "string", default: "2.15.1" },
    keep: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});

/** tfjs-node's own version, and the headers of Node-API, which are the same for every Node. */
const tfjsVersion = "4.22.0";
const headersVersion = "1.9.0";
/** The Python that the wheel is for; it is only unpacked, so that any Python 3 will do here. */
const wheelPython = "3.11";
/** The folder that tfjs-node looks for its binding in. */
const napiVersion = 8;

const id = options.gpu ? "@tensorflow/tfjs-node-gpu" : "@tensorflow/tfjs-node";
const wheel = `${options.gpu ? "tensorflow" : "tensorflow-cpu"}==${options.tensorflow}`;

/** Unpacks from the wheel only what is needed: the two libraries and the headers of the C interface. */
const unpackScript = `
import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1])
headers = ("tensorflow/c/", "tensorflow/tsl/", "tsl/", "tensorflow/core/platform/")
folders = tuple("tensorflow/include/" + name for name in headers)
libraries = ("tensorflow/libtensorflow_cc.so.2", "tensorflow/libtensorflow_framework.so.2")
names = [name for name in archive.namelist() if name.startswith(folders) or name in libraries]
missing = [name for name in libraries if name not in names]
if missing: sys.exit("the wheel has no " + " and no ".join(missing))
archive.extractall(sys.argv[2], names)
`;

/** Loads the binding, multiplies two matrices whose product is known, and tells the rate of larger ones. */
const checkScript = `
const util = require("node:util");
util.isNullOrUndefined ??= (x) => x === null || x === undefined;
util.isArray ??= Array.isArray;
const tf = require(process.argv[1]);
const [product] = tf.matMul(tf.fill([2, 3], 2), tf.fill([3, 2], 5)).dataSync();
if (tf.getBackend() !== "tensorflow" || product !== 30)
  throw new Error("backend " + tf.getBackend() + ", product " + product + " instead of 30");
const [a, b] = [tf.ones([1024, 1024]), tf.ones([1024, 1024])];
const times = Array.from({ length: 5 }, () => {
  const start = performance.now();
  tf.tidy(() => tf.matMul(a, b).dataSync());
  return performance.now() - start;
});
const rate = (2 * 1024 ** 3 / Math.min(...times) / 1e6).toFixed(0);
console.log("tf.matMul works: " + rate + " GFLOP/s on Node " + process.versions.node);
`;

let step = 0;
function say(/** @type {string} */ what) {
  step++;
  console.log(`[${step}] ${what}`);
}

/** What went wrong, and what to do about it. */
class Failure extends Error {}

/** @returns {never} */
function fail(/** @type {string} */ what, /** @type {string} */ advice) {
  throw new Failure(`${what}\n  ${advice}`);
}

/** Runs a command; where it fails, ends with what it said and with advice. */
function run(
  /** @type {string} */ command,
  /** @type {string[]} */ args,
  /** @type {string} */ advice,
  /** @type {import("node:child_process").ExecFileSyncOptions} */ settings = {},
) {
  try {
    return execFileSync(command, args, { stdio: ["ignore", "pipe", "pipe"], encoding: "utf8", ...settings });
  } catch (error) {
    const { stderr, message } = /** @type {Error & { stderr?: string }} */ (error);
    const said = (stderr?.trim() || message).split("\n").slice(-12).join("\n  ");
    return fail(`${[command, ...args].join(" ").slice(0, 200)} failed:\n  ${said}`, advice);
  }
}

function firstThatRuns(/** @type {string[]} */ commands, /** @type {string} */ what) {
  for (const command of commands) {
    try {
      execFileSync(command, ["--version"], { stdio: "ignore" });
      return command;
    } catch {}
  }
  return fail(`${what} is needed; none of ${commands.join(", ")} runs`, `Install one of them and run this again.`);
}

function build() {
  if (process.platform !== "linux") {
    fail(
      `this is ${process.platform}; only Linux is supported`,
      "Use the backend wasm, or onnxruntime, which installs everywhere.",
    );
  }
  const folder = path.resolve(options.folder);
  if (!fs.existsSync(path.join(folder, "package.json"))) {
    fail(
      `${folder} has no package.json`,
      "Give the folder of your project with --folder, or make one with `npm init -y`.",
    );
  }
  const compiler = firstThatRuns([process.env.CXX ?? "g++", "clang++"], "a C++17 compiler");
  const python = firstThatRuns([process.env.PYTHON ?? "python3", "python"], "Python 3");
  const downloads = fs.mkdtempSync(path.join(os.tmpdir(), "build-tfjs-node-"));

  try {
    say(`npm install ${id}@${tfjsVersion}, without its install script`);
    run(
      "npm",
      ["install", "--ignore-scripts", "--no-audit", "--no-fund", `${id}@${tfjsVersion}`],
      "Is the registry reachable?",
      { cwd: folder },
    );
    const home = path.join(folder, "node_modules", id);

    say(`npm install node-api-headers@${headersVersion}, in a temporary folder`);
    fs.writeFileSync(path.join(downloads, "package.json"), "{}");
    run(
      "npm",
      ["install", "--no-audit", "--no-fund", `node-api-headers@${headersVersion}`],
      "Is the registry reachable?",
      { cwd: downloads },
    );

    say(`pip download ${wheel}, without its dependencies`);
    const wheelFolder = path.join(downloads, "wheel");
    const wheelArguments = ["--no-deps", "--only-binary=:all:", "--python-version", wheelPython, "--dest", wheelFolder];
    run(
      python,
      ["-m", "pip", "download", ...wheelArguments, wheel],
      "Is the package index reachable, and is there a wheel for this machine?",
    );
    const [wheelFile] = fs.readdirSync(wheelFolder);

    say(`unpack libtensorflow and its headers from ${wheelFile}`);
    const unpacked = path.join(downloads, "unpacked");
    run(
      python,
      ["-c", unpackScript, path.join(wheelFolder, String(wheelFile)), unpacked],
      "Try another --tensorflow version.",
    );
    const [libraries, headers] = [path.join(home, "deps", "lib"), path.join(home, "deps", "include")];
    for (const target of [libraries, headers]) {
      fs.rmSync(target, { recursive: true, force: true });
      fs.mkdirSync(target, { recursive: true });
    }
    fs.cpSync(path.join(unpacked, "tensorflow", "include"), headers, { recursive: true });
    for (const [file, link] of [
      ["libtensorflow_cc.so.2", "libtensorflow.so"],
      ["libtensorflow_framework.so.2", "libtensorflow_framework.so"],
    ]) {
      fs.cpSync(path.join(unpacked, "tensorflow", String(file)), path.join(libraries, String(file)));
      fs.symlinkSync(String(file), path.join(libraries, String(link)));
    }

    say(`compile the binding with ${compiler}`);
    const target = path.join(home, "lib", `napi-v${napiVersion}`);
    fs.mkdirSync(target, { recursive: true });
    run(
      compiler,
      [
        ...["-std=c++17", "-O2", "-fPIC", "-shared", `-DNAPI_VERSION=${napiVersion}`],
        ...["-DNODE_GYP_MODULE_NAME=tfjs_binding", "-DBUILDING_NODE_EXTENSION"],
        ...["-I", path.join(downloads, "node_modules", "node-api-headers", "include"), "-I", headers],
        ...["tfjs_backend.cc", "tfjs_binding.cc"].map((file) => path.join(home, "binding", file)),
        ...["-L", libraries, "-ltensorflow", "-ltensorflow_framework", "-Wl,-rpath,$ORIGIN/../../deps/lib"],
        ...["-o", path.join(target, "tfjs_binding.node")],
      ],
      "A compiler that knows C++17 is needed: g++ 8, clang 7 or newer.",
    );

    say("load it");
    const environment = { ...process.env, TF_CPP_MIN_LOG_LEVEL: "2" };
    const advice = options.gpu
      ? "If a library is missing, it is one of CUDA 12.2 or cuDNN 8.9: add their folder to LD_LIBRARY_PATH."
      : "Please report this with the lines above.";
    console.log(`    ${String(run(process.execPath, ["-e", checkScript, home], advice, { env: environment })).trim()}`);
    console.log(`Done: ${id} in ${folder}`);
  } finally {
    if (options.keep) console.log(`Downloads are kept in ${downloads}`);
    else fs.rmSync(downloads, { recursive: true, force: true });
  }
}

if (options.help) console.log(help);
else {
  try {
    build();
  } catch (error) {
    if (!(error instanceof Failure)) throw error;
    console.error(`build-tfjs-node: ${error.message}`);
    process.exitCode = 1;
  }
}
