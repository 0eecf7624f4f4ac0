// Which TensorFlow.js runs the graphs: by name, or the fastest of those that are installed and load.
import { createRequire } from "node:module";
import path from "node:path";
import util from "node:util";
import { reasonOf } from "../../graph/errors.js";
import type { BackendTraits } from "./kernels/kernel.js";
import type { TensorFlow } from "./tensorflow.js";

/** Backends from the fastest to the slowest. */
export const backendNames = ["tfjs-node-gpu", "tfjs-node", "webgpu", "wasm", "cpu"] as const;
export type TfjsBackend = (typeof backendNames)[number];

interface Description {
  /** What TensorFlow.js calls it. */
  readonly registered: string;
  /** The packages it is made of; the first one's exports hold TensorFlow.js' functions. */
  readonly packages: readonly [string, ...string[]];
  readonly what: string;
  readonly traits: BackendTraits;
}

const libtensorflow = { uniformProducts: true, preciseErf: true, scatterUpdatesInPlace: false };
const descriptions: Readonly<Record<TfjsBackend, Description>> = {
  "tfjs-node-gpu": {
    registered: "tensorflow",
    packages: ["@tensorflow/tfjs-node-gpu"],
    what: "libtensorflow on an NVIDIA GPU",
    traits: libtensorflow,
  },
  "tfjs-node": {
    registered: "tensorflow",
    packages: ["@tensorflow/tfjs-node"],
    what: "libtensorflow on the CPU",
    traits: libtensorflow,
  },
  webgpu: {
    registered: "webgpu",
    packages: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-webgpu"],
    what: "any GPU, where the JavaScript runtime has WebGPU",
    traits: { uniformProducts: true, preciseErf: false, scatterUpdatesInPlace: false },
  },
  wasm: {
    registered: "wasm",
    packages: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-wasm"],
    what: "WebAssembly on one CPU thread",
    traits: { uniformProducts: false, preciseErf: false, scatterUpdatesInPlace: false },
  },
  cpu: {
    registered: "cpu",
    packages: ["@tensorflow/tfjs-core", "@tensorflow/tfjs-backend-cpu"],
    what: "plain JavaScript",
    traits: { uniformProducts: true, preciseErf: false, scatterUpdatesInPlace: true },
  },
};

export interface OpenedBackend {
  readonly name: TfjsBackend;
  readonly registered: string;
  readonly tf: TensorFlow;
  readonly traits: BackendTraits;
  /** One line: what was chosen, why, and what would be faster. */
  readonly choice: string;
}

/** Why a backend cannot be used: its packages are not there, or they are and do not load. */
interface Obstacle {
  readonly kind: "absent" | "broken";
  readonly reason: string;
}

/**
 * Opens the backend of that name, or the first in {@link backendNames} that is installed and loads.
 * @param from folders whose node_modules are searched, in this order.
 * @throws Error saying what is missing and how to install it.
 */
export async function openBackend(wanted: TfjsBackend | undefined, from: readonly string[]): Promise<OpenedBackend> {
  if (wanted !== undefined && !backendNames.includes(wanted)) {
    throw new Error(
      `unknown TensorFlow.js backend ${JSON.stringify(wanted)}; one of ${backendNames.join(", ")} is expected`,
    );
  }
  const obstacles = new Map<TfjsBackend, Obstacle>();
  for (const name of wanted ? [wanted] : backendNames) {
    const opened = await tryToOpen(name, from);
    if ("tf" in opened) {
      const why = wanted ? "asked for by name" : "the fastest of those installed";
      return {
        ...opened,
        choice:
          `TensorFlow.js ${opened.tf.version_core}, ${name} (${descriptions[name].what}): ` +
          `${why}${cardless(name, opened.tf)}${advice(name, obstacles)}`,
      };
    }
    obstacles.set(name, opened);
  }
  if (wanted) {
    const { kind, reason } = obstacles.get(wanted)!;
    throw new Error(
      `TensorFlow.js backend ${wanted} ${kind === "absent" ? "is not available" : "does not load"}: ${reason}`,
    );
  }
  const broken = [...obstacles]
    .filter(([, { kind }]) => kind === "broken")
    .map(([name, { reason }]) => `; ${name}: ${reason}`);
  throw new Error(
    `no TensorFlow.js backend is installed; ${install("wasm")} is the quickest to have${broken.join("")}`,
  );
}

const install = (name: TfjsBackend): string => `npm install ${descriptions[name].packages.join(" ")}`;

/** tfjs-node-gpu computes on the CPU, silently, where its library finds no card or not all of CUDA. */
function cardless(name: TfjsBackend, tf: TensorFlow): string {
  if (name !== "tfjs-node-gpu") return "";
  const { isUsingGpuDevice } = tf.backend() as { isUsingGpuDevice?: boolean };
  if (isUsingGpuDevice !== false) return "";
  return ", but it has found no GPU, or not all of CUDA and cuDNN, and computes on the CPU";
}

/** What prevented faster backends, and what to install where nothing did but its absence. */
function advice(chosen: TfjsBackend, obstacles: ReadonlyMap<TfjsBackend, Obstacle>): string {
  const notes = [...obstacles].flatMap(([name, { kind, reason }]) =>
    kind === "broken" ? [`${name} does not load: ${reason}`] : [],
  );
  const slow = chosen === "wasm" || chosen === "cpu";
  const broken = obstacles.get("tfjs-node")?.kind === "broken";
  if (slow && !broken) notes.push(`faster: ${install("tfjs-node")}, or with an NVIDIA GPU ${install("tfjs-node-gpu")}`);
  return notes.length > 0 ? `; ${notes.join("; ")}` : "";
}

async function tryToOpen(
  name: TfjsBackend,
  from: readonly string[],
): Promise<Omit<OpenedBackend, "choice"> | Obstacle> {
  const { packages, registered, traits } = descriptions[name];
  if (name === "webgpu" && !hasWebGpu()) {
    const reason =
      `this runtime (Node ${process.versions.node}) has no navigator.gpu; for WebGPU in Node use onnxRuntime({ ` +
      'executionProvider: "webgpu" })';
    return { kind: "absent", reason };
  }
  const require = from
    .map((folder) => createRequire(path.join(folder, "package.json")))
    .find((candidate) => resolves(candidate, packages));
  if (!require) return { kind: "absent", reason: `${packages.join(" and ")} not found; ${install(name)}` };
  try {
    if (registered === "tensorflow") restoreUtilities();
    const [tf] = packages.map((id) => require(id) as TensorFlow);
    if (!(await quietly(tf!, () => tf!.setBackend(registered))))
      return { kind: "broken", reason: `setBackend("${registered}") failed` };
    return { name, registered, tf: tf!, traits };
  } catch (error) {
    const reason = reasonOf(error).split("\n")[0]!;
    const script =
      registered === "tensorflow" ? "; scripts/build-tfjs-node.mjs of @cllm4rec/onnx-grad builds its binding" : "";
    return { kind: "broken", reason: `${reason}${script}` };
  }
}

function resolves(require: NodeJS.Require, packages: readonly string[]): boolean {
  return packages.every((id) => {
    try {
      require.resolve(id);
      return true;
    } catch {
      return false;
    }
  });
}

const hasWebGpu = (): boolean => {
  const { navigator } = globalThis as { navigator?: { gpu?: unknown } };
  return navigator?.gpu !== undefined;
};

/** Node 23 removed two functions of node:util that tfjs-node 4.22 calls. */
function restoreUtilities(): void {
  const legacy: Record<string, (value: unknown) => boolean> = {
    isNullOrUndefined: (value) => value === null || value === undefined,
    isArray: Array.isArray,
  };
  for (const [name, check] of Object.entries(legacy)) {
    if (!(name in util)) Object.defineProperty(util, name, { value: check, configurable: true, writable: true });
  }
}

/** Sets a backend up without the advertisement that the cpu backend prints in Node on its first tensor. */
async function quietly(tf: TensorFlow, open: () => Promise<boolean>): Promise<boolean> {
  const flags = tf.env();
  const before = flags.getBool("PROD");
  flags.set("PROD", true);
  try {
    const opened = await open();
    tf.scalar(0).dispose();
    return opened;
  } finally {
    flags.set("PROD", before);
  }
}
