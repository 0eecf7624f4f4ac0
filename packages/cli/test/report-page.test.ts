// The report in a real Chromium: three widths, light and dark, nothing beyond the screen, no complaint of axe-core.
// axe-core takes seconds a page: it looks at one narrow light and one wide dark page; at all six with
// CLLM4REC_SCREENSHOTS=DIR, which also writes screenshots.
/// <reference lib="dom" />
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { findChromium } from "@cllm4rec/testing";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runHere, writeBackbone, writeChoices } from "./run-cli.js";

const executablePath = findChromium("the report's page tests");

describe.skipIf(!executablePath)("the report", () => {
  let browser: Browser;
  let folder = "";
  beforeAll(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-report-page-"));
    await writeBackbone(path.join(folder, "backbone"));
    writeChoices(path.join(folder, "choices.jsonl"));
    const columns = "--columns user=user,item=item,text=text --core 0";
    await runHere(folder, `prepare --input @choices.jsonl ${columns} --out @data`);
    const { code, stderr } = await runHere(
      folder,
      "train --data @data --backbone @backbone --epochs 3 --batch 8 --out @model",
    );
    expect([code, stderr]).toEqual([0, expect.not.stringMatching(/^warning/m)]);
    browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  }, 120_000);
  afterAll(async () => {
    await browser?.close();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  const widths = [375, 768, 1280] as const;
  test.each(widths.flatMap((width) => [[width, "light"] as const, [width, "dark"] as const]))(
    "at %i pixels, %s",
    async (width, colorScheme) => {
      // axe-core is put into the page, which its policy forbids to everybody else.
      const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme, bypassCSP: true });
      await page.goto(pathToFileURL(path.join(folder, "model", "report.html")).href);
      const screenshots = process.env.CLLM4REC_SCREENSHOTS;
      if (screenshots) await page.screenshot({ path: path.join(screenshots, `report-${width}-${colorScheme}.png`) });
      await page.locator("details").evaluateAll((all) => {
        for (const one of all) one.setAttribute("open", "");
      });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      const charts = page.locator("svg.chart:visible");
      expect(await charts.count()).toBe((await page.locator("svg.chart").count()) / 2);
      // Drawn for this width: text as large as it was meant to be, but for a little.
      const sizes = await charts
        .locator("text")
        .evaluateAll((all) => all.map((text) => text.getBoundingClientRect().height));
      expect(Math.min(...sizes)).toBeGreaterThan(11);
      const verdicts = page.locator("td", { hasText: /^(better|worse|not distinguishable)$/ });
      const lines = await verdicts.evaluateAll((all) =>
        all.map((cell) => {
          const range = document.createRange();
          range.selectNodeContents(cell);
          return range.getClientRects().length;
        }),
      );
      expect([...new Set(lines)]).toEqual([1]);
      const examined = ["375 light", "1280 dark"].includes(`${width} ${colorScheme}`);
      if (!examined && !screenshots) return page.close();
      await page.addScriptTag({ path: createRequire(import.meta.url).resolve("axe-core/axe.min.js") });
      const { violations } = (await page.evaluate("axe.run()")) as {
        violations: { id: string; nodes: { html: string; failureSummary: string }[] }[];
      };
      expect(violations.map(({ id, nodes }) => [id, nodes[0]?.html, nodes[0]?.failureSummary])).toEqual([]);
      await page.close();
    },
  );
});
