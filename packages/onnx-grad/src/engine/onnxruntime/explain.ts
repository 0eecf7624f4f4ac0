// What onnxruntime says where a GPU cannot be used, with what to do about it.

interface Remedy {
  readonly pattern: RegExp;
  readonly problem: string;
  readonly remedy: string;
  /** Whether the CPU would do instead; it would where absent. */
  readonly cpuInstead?: false;
}

const remedies: readonly Remedy[] = [
  {
    // The worker's import: of the package, of its binding, or of the library that the binding needs.
    pattern:
      /Cannot find (module|package) '[^']*onnxruntime|onnxruntime_binding\.node|libonnxruntime\S*: cannot open|ERR_DLOPEN_FAILED/,
    problem: "onnxruntime-node could not be loaded",
    remedy:
      "Its package holds the CPU libraries for Linux (glibc, x64 and arm64), macOS (arm64) and Windows; this is " +
      `${process.platform}-${process.arch}. Its install script also fetches CUDA libraries from a host of its own, ` +
      "and where that host is not reachable the installation fails: install again with " +
      "ONNXRUNTIME_NODE_INSTALL=skip in the environment, for instance `ONNXRUNTIME_NODE_INSTALL=skip npm install`, " +
      "which does without CUDA only",
    cpuInstead: false,
  },
  {
    pattern: /Failed to get a WebGPU adapter/,
    problem: "no GPU that WebGPU can use was found",
    remedy: "On Linux it takes a driver with Vulkan and the Vulkan loader (libvulkan.so.1, package libvulkan1)",
  },
  {
    pattern: /ExecutionProvider_Cuda|providers_cuda/i,
    problem: "onnxruntime-node's CUDA libraries, CUDA 12 or cuDNN 9 are missing",
    remedy: "The first are fetched by onnxruntime-node's install script, run with ONNXRUNTIME_NODE_INSTALL=cuda12",
  },
  {
    pattern: /executionProviders\[\d+\] is unsupported/,
    problem: "onnxruntime-node has no such provider on this platform",
    remedy: "WebGPU is there on Linux x64, Windows and macOS, CUDA on Linux x64",
  },
];

const known = (message: string): Remedy | undefined => remedies.find(({ pattern }) => pattern.test(message));

/** The message, with the problem in plain words and its remedy in front where they are known. */
export function explain(message: string): string {
  const found = known(message);
  if (!found) return message;
  if (found.cpuInstead === false)
    return `${found.problem}. ${found.remedy}. Node says: ${message.trim().split("\n", 1)[0]}`;
  return `${found.problem}. ${found.remedy}; or use executionProvider "cpu". onnxruntime says: ${message.trim()}`;
}

/** A few words on what is wrong, for a list. */
export function problemOf(message: string): string {
  return known(message)?.problem ?? message.trim().split("\n", 1)[0]!.slice(0, 160);
}
