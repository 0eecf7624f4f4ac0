// What onnxruntime says where a GPU cannot be used, with what to do about it.

const remedies: readonly (readonly [pattern: RegExp, remedy: string])[] = [
  [
    /Failed to get a WebGPU adapter/,
    "there is no GPU that WebGPU can use. On Linux it needs a driver with Vulkan and the Vulkan loader (libvulkan.so.1, package libvulkan1)",
  ],
  [
    /ExecutionProvider_Cuda|providers_cuda/i,
    "CUDA cannot be used: onnxruntime-node's CUDA libraries, CUDA 12 or cuDNN 9 are missing. The first come with `ONNXRUNTIME_NODE_INSTALL=cuda12 npm rebuild onnxruntime-node`",
  ],
  [
    /executionProviders\[\d+\] is unsupported/,
    "this build of onnxruntime-node has no such provider (WebGPU: Linux x64, Windows, macOS; CUDA: Linux x64)",
  ],
];

/** The message, with its remedy in front where one is known. */
export function explain(message: string): string {
  const known = remedies.find(([pattern]) => pattern.test(message));
  return known ? `${known[1]}; or use executionProvider "cpu". onnxruntime says: ${message.trim()}` : message;
}
