// WebGPU without a GPU: finds SwiftShader (a Vulkan in software, which Chromium ships), for vitest.config.ts to hand it
// to the test processes. It has to be in their environment when they start, so that a test itself is too late.
import fs from "node:fs";
import path from "node:path";

/** Where Chromium's packages put it. */
const usualPlaces = [
  "/usr/lib/chromium",
  "/usr/lib/chromium-browser",
  "/usr/lib64/chromium-browser",
  "/opt/google/chrome",
].map((folder) => path.join(folder, "vk_swiftshader_icd.json"));

const systemFolders = ["/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"];
const loader = "libvulkan.so.1";
/** Tells the test processes: empty where WebGPU can be used, otherwise why not. */
const verdict = "CLLM4REC_NO_WEBGPU";

/**
 * Prepares the environment of this process and its children. `CLLM4REC_VULKAN_ICD` names the `vk_swiftshader_icd.json`
 * to use, or is `system` for the driver that the machine has; where it is not set, the usual places are looked through.
 */
export function useSoftwareVulkan(env: NodeJS.ProcessEnv = process.env): void {
  const wish = env.CLLM4REC_VULKAN_ICD;
  if (wish === "system") {
    env[verdict] = "";
    return;
  }
  const icd = wish === undefined ? usualPlaces.find((place) => fs.existsSync(place)) : path.resolve(wish);
  if (icd === undefined || !fs.existsSync(icd)) {
    env[verdict] =
      icd === undefined
        ? "no SwiftShader found; install the package chromium, or set CLLM4REC_VULKAN_ICD to a " +
          "vk_swiftshader_icd.json, or to system for the machine's own driver"
        : `CLLM4REC_VULKAN_ICD: there is no ${icd}`;
    return;
  }
  const folders = [path.dirname(icd), ...systemFolders];
  const withLoader = folders.find((folder) => fs.existsSync(path.join(folder, loader)));
  if (withLoader === undefined) {
    env[verdict] = `SwiftShader is there, but not the Vulkan loader ${loader}; install libvulkan1`;
    return;
  }
  env.VK_ICD_FILENAMES = icd;
  if (!systemFolders.includes(withLoader))
    env.LD_LIBRARY_PATH = [withLoader, env.LD_LIBRARY_PATH].filter(Boolean).join(path.delimiter);
  env[verdict] = "";
}

/** Whether that WebGPU, where there is one, computes in software. */
export const webGpuIsSoftware = (): boolean => process.env.VK_ICD_FILENAMES?.includes("swiftshader") ?? false;

/** Whether tests can use WebGPU; says why not on stderr. */
export function webGpuUsable(): boolean {
  const reason = process.env[verdict];
  if (reason === "") return true;
  console.warn(`skipping what needs WebGPU: ${reason ?? "this package's vitest.config.ts does not look for it"}`);
  return false;
}
