// Tables of settings in READMEs: made of the settings' schemas, held against the file, written by `npx vitest run
// test/settings-table.test.ts -u`.
import fs from "node:fs";
import path from "node:path";
import { expect } from "vitest";

/** A setting in words, as `describeSettings` of @cllm4rec/training gives it. */
interface Setting {
  readonly name: string;
  readonly description: string;
  readonly range: string;
  readonly unit?: string;
  readonly default: string;
  readonly paper?: string;
  readonly form: string;
}

/** A Markdown table of settings. */
function table(settings: readonly Setting[]): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const rows = settings.map(({ name, description, range, unit, default: value, paper, form }) => {
    const counted = unit === undefined || form === "text" ? range : `${range} (${unit})`;
    return `| \`${name}\` | ${cell(value)} | ${cell(counted)} | ${cell(description)} | ${cell(paper ?? "–")} |`;
  });
  const head = "| setting | default | values | what it does | paper; released code |";
  return [head, "| --- | --- | --- | --- | --- |", ...rows].join("\n");
}

/**
 * Holds the table between `<!-- settings:NAME -->` and `<!-- /settings -->` of the package's README against its
 * settings. With vitest's `-u` the README is rewritten.
 */
export async function expectSettingsTable(
  packageDirectory: string,
  name: string,
  settings: readonly Setting[],
): Promise<void> {
  const file = path.join(packageDirectory, "README.md");
  const readme = fs.readFileSync(file, "utf8");
  const [begin, end] = [`<!-- settings:${name} -->`, "<!-- /settings -->"];
  const [before, rest] = [readme.slice(0, readme.indexOf(begin) + begin.length), readme.slice(readme.indexOf(begin))];
  expect(readme, `${file} has no ${begin}`).toContain(begin);
  const made = `${before}\n${table(settings)}\n${rest.slice(rest.indexOf(end))}`;
  await expect(made).toMatchFileSnapshot(file);
}
