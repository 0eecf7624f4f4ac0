// What the packages' tests share. Private to the workspace; never published.
export { findChromium } from "./chromium.js";
export { expectClose } from "./close.js";
export { expectTensorsOf, writtenOnThisMachine } from "./earlier.js";
export { expectSameAfterKills, type KillOptions } from "./kill.js";
export { t5Weights, tinyT5Config } from "./random-t5.js";
export { runReadmeExample } from "./readme.js";
export { expectSettingsTable } from "./settings-table.js";
export { sharedPath, smollm2Directory } from "./shared.js";
export { isThorough, sampled } from "./thorough.js";
export { asciiTokenizer, greedyTokenizer } from "./tokenizers.js";
export { csr, twoTastes } from "./two-tastes.js";
export { webGpuIsSoftware, webGpuUsable } from "./vulkan.js";
