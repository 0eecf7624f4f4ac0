// Chromium for tests of pages: the system's own, so that nothing is downloaded.
import fs from "node:fs";

/**
 * The system's Chromium; the environment variable CLLM4REC_CHROMIUM names another.
 * @param tests what a message calls the tests that are skipped where there is none
 */
export function findChromium(tests: string): string | undefined {
  const executable = [
    process.env.CLLM4REC_CHROMIUM ?? "",
    "/usr/bin/chromium",
    "/usr/bin/chromium-browser",
    "/usr/bin/google-chrome",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "C:\\Program Files\\Google\\Chrome\\Application\\chrome.exe",
  ].find((file) => file !== "" && fs.existsSync(file));
  if (!executable) console.warn(`skipping ${tests}: no Chromium found; CLLM4REC_CHROMIUM names one`);
  return executable;
}
