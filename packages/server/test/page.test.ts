// The page in a real Chromium: by keyboard, with two models, light and dark, and on a narrow screen; nothing is refused
// by its CSP. CLLM4REC_SCREENSHOTS=DIR writes screenshots.
import path from "node:path";
import { findChromium } from "@cllm4rec/testing";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { reversed, send, start, temporaryFolder, withWords, writeChanged } from "./helpers.js";

const executablePath = findChromium("the page's tests");

describe.skipIf(!executablePath)("the page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await chromium.launch({ executablePath: executablePath!, args: ["--no-sandbox"] });
  });
  afterAll(() => browser.close());

  /** Opens the page; the list collects everything that the browser complains about. */
  async function open(url: string, options: Parameters<Browser["newPage"]>[0] = {}) {
    const page = await browser.newPage(options);
    onTestFinished(() => page.close());
    const complaints: string[] = [];
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
    });
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(url);
    return { page, complaints };
  }

  const shoot = async (page: Page, name: string) => {
    const folder = process.env.CLLM4REC_SCREENSHOTS;
    if (folder) await page.screenshot({ path: path.join(folder, `${name}.png`) });
  };
  const listed = (page: Page) => page.locator(".list li .id").allTextContents();

  it("recommends to a user chosen by keyboard, with reasons and the model's text", async () => {
    const { url } = await start();
    const { page, complaints } = await open(url, { viewport: { width: 1000, height: 800 } });
    await page.getByText("60 users, 40 items").waitFor();
    // From the top: skip link, API, then the search for a user.
    for (let stops = 0; stops < 3; stops++) await page.keyboard.press("Tab");
    await page.keyboard.type("reader-2");
    await page.locator("#user-found button").first().waitFor();
    await page.keyboard.press("ArrowDown");
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("reader-2");
    await page.keyboard.press("Enter");
    await page.getByText("10 items for reader-2").waitFor();
    const { body } = await send(url, "/recommend", { user: "reader-2", k: 10, why: true });
    expect(await listed(page)).toEqual(body.items.map(({ item }: { item: string }) => item));
    const first = page.locator(".list li").first();
    expect(await first.locator(".title").textContent()).toBe(body.items[0].title);
    expect(await first.locator(".because").textContent()).toContain(body.items[0].because[0].title);
    await first.getByRole("button").focus();
    await page.keyboard.press("Enter");
    await first.locator(".text").waitFor();
    await shoot(page, "page-light");
    expect(complaints).toEqual([]);
  });

  it("recommends for a history put together by titles, and shows two models beside each other", async () => {
    const other = path.join(temporaryFolder(), "other");
    await writeChanged(other, reversed);
    const { url } = await start({ other });
    const { page, complaints } = await open(url, { colorScheme: "dark", viewport: { width: 1000, height: 800 } });
    await page.getByLabel("or whoever has these items").fill("rose garden large");
    await page.locator("#item-found button").first().click();
    await page.getByLabel("or whoever has these items").fill("garden-6");
    await page.locator("#item-found button", { hasText: "(garden-6)" }).click();
    await page.getByText("10 items for a history of 2").waitFor();
    expect(await page.locator(".list").count()).toBe(2);
    expect(await page.locator(".list ol > li").count()).toBe(20);
    expect(await page.locator(".only").count()).toBeGreaterThan(0);
    await shoot(page, "page-dark");
    await page.getByLabel("How many").fill("3");
    await page.keyboard.press("Enter");
    await page.getByText("3 items for a history of 2").waitFor();
    await page
      .getByRole("button", { name: /^Remove/ })
      .first()
      .click();
    await page.getByText("3 items for a history of 1").waitFor();
    const background = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    expect(background).toBe("rgb(22, 24, 27)");
    expect(complaints).toEqual([]);
  });

  it("fits a narrow screen, says what went wrong, and shows text from data as text", async () => {
    const model = path.join(temporaryFolder(), "model");
    await writeChanged(model, (saved) => ({
      ...saved,
      titles: saved.titles!.map((title) => `<img src=x onerror="alert(1)"> ${title} ${"long".repeat(30)}`),
    }));
    const { url } = await start({ model });
    const { page, complaints } = await open(url, { viewport: { width: 375, height: 700 } });
    await page.getByLabel("a user").fill("reader-3");
    await page.locator("#user-found button").first().click();
    await page.getByText("10 items for reader-3").waitFor();
    expect(await page.locator(".list img").count()).toBe(0);
    expect(await page.locator(".list li .title").first().textContent()).toContain("<img src=x");
    const width = () => page.evaluate(() => document.documentElement.scrollWidth);
    expect(await width()).toBeLessThanOrEqual(375);
    await shoot(page, "page-narrow");
    expect(complaints).toEqual([]);
    await page.getByRole("textbox", { name: "Id" }).fill("new-1");
    await page.getByRole("textbox", { name: "Text" }).fill("A new book");
    await page.getByRole("button", { name: "Add" }).click();
    await page.locator("#add-status.problem", { hasText: "cannot embed items" }).waitFor();
    await page.goto(`${url}/docs`);
    expect(await page.locator("section").count()).toBeGreaterThan(8);
    expect(await width()).toBeLessThanOrEqual(375);
  });

  it("adds an item by its text, and shows what it is like and who gets it", async () => {
    const model = path.join(temporaryFolder(), "model");
    await writeChanged(model, withWords);
    const { url } = await start({ model });
    const { page, complaints } = await open(url);
    await page.getByRole("textbox", { name: "Id" }).fill("garden-99");
    await page.getByRole("textbox", { name: "Text" }).fill("Rose Garden");
    await page.getByRole("button", { name: "Add" }).click();
    await page.getByText("garden-99 was added.").waitFor();
    await page.getByText(/^[1-9]\d* of the first 60 users get it among their 10 best items\.$/).waitFor();
    expect(await page.locator("#add-result p").first().textContent()).toMatch(/^Like .*Garden/);
    await page.locator("#add-result button").first().click();
    await page.getByText(/^10 items for reader-/).waitFor();
    expect(await page.locator(".list .id", { hasText: "garden-99" }).count()).toBe(1);
    expect(complaints).toEqual([]);
  });
});
