// The demo's steps, each a command that anybody can run: prepare, train, evaluate, baselines, recommend.
import path from "node:path";
import { csrRow, Dataset } from "@cllm4rec/corpus";
import { z } from "zod";
import { baselinesCommand } from "../commands/baselines.js";
import { evaluateCommand } from "../commands/evaluate.js";
import { prepareCommand } from "../commands/prepare.js";
import { recommendCommand } from "../commands/recommend.js";
import { trainCommand } from "../commands/train.js";
import type { CliContext } from "../context.js";
import { embedded } from "./embedded.js";
import { asTyped, type Build, runCommand, runForJson, writable } from "./shell.js";

const metrics = z.record(z.string(), z.number());
const evaluated = z.object({ users: z.number(), metrics });
const baselines = z.object({ baselines: z.array(z.object({ name: z.string(), metrics })) });
const recommended = z.object({
  user: z.string(),
  items: z.array(z.object({ item: z.string(), score: z.number() })),
});

/** An item by the input's id, with its title. */
export interface DemoItem {
  readonly item: string;
  readonly title: string;
}

export interface DemoUser {
  readonly user: string;
  /** The user's history, as the model got it. */
  readonly history: readonly DemoItem[];
  /** `found`: among the test items, which the model has not seen. */
  readonly recommended: readonly (DemoItem & { readonly score: number; readonly found: boolean })[];
}

export interface DemoOptions {
  /** Where data and model go. */
  readonly out: string;
  readonly seed: number;
  /** A file of training settings in place of the demo's own. */
  readonly config?: string | undefined;
}

export interface DemoResult {
  readonly data: string;
  readonly model: string;
  readonly report: string;
  readonly seed: number;
  /** Users with test items. */
  readonly users: number;
  /** On the test split: of the model, and of the baselines by name. */
  readonly metrics: Readonly<Record<string, number>>;
  readonly baselines: readonly { readonly name: string; readonly metrics: Readonly<Record<string, number>> }[];
  readonly recommendations: readonly DemoUser[];
  readonly seconds: number;
}

const USERS = 3;
const ITEMS = 5;
/** Fits of EASE and of EASE with text; more find hardly better settings on a shop of this size. */
const TRIALS = 12;

/**
 * Runs the demo in a folder, or resumes one that was interrupted.
 * @param say is given what a person should see of the steps, as they come
 */
export async function runDemo(
  { out, seed, config = embedded("demo.json") }: DemoOptions,
  context: CliContext,
  say: (text: string) => unknown,
): Promise<DemoResult> {
  const started = performance.now();
  const [data, model] = [path.join(out, "data"), path.join(out, "model")];
  const announce = (name: string, args: readonly string[]) => say(`\n$ ${asTyped(name, args)}\n`);
  const shown = async (name: string, build: Build, args: readonly string[]) => {
    announce(name, args);
    await runCommand(build, args, { ...context, stdout: writable(say) });
  };
  const asked = (name: string, build: Build, args: readonly string[]) => {
    announce(name, args);
    return runForJson(build, args, context);
  };

  const [reviews, items] = [embedded("sample-data", "reviews.jsonl.gz"), embedded("sample-data", "items.jsonl.gz")];
  await shown("prepare", prepareCommand, ["--input", reviews, "--meta", items, "--out", data, "--force"]);
  const settings = ["--config", config, "--seed", String(seed)];
  const backbone = embedded("tiny-lm");
  await shown("train", trainCommand, ["--data", data, "--backbone", backbone, "--out", model, ...settings]);
  const [own] = await asked("evaluate", evaluateCommand, ["--model", model]);
  const [simple] = await asked("baselines", baselinesCommand, ["--data", data, "--trials", String(TRIALS)]);
  const users = await exampleUsers(data);
  const names = users.map(({ user }) => user);
  const lists = await asked("recommend", recommendCommand, ["--model", model, "--user", ...names, "-k", String(ITEMS)]);

  const { users: measured, metrics: ofModel } = evaluated.parse(own);
  return {
    data,
    model,
    report: path.join(model, "report.html"),
    seed,
    users: measured,
    metrics: ofModel,
    baselines: baselines.parse(simple).baselines,
    recommendations: users.map((user, i) => user.with(recommended.parse(lists[i]).items)),
    seconds: (performance.now() - started) / 1000,
  };
}

/** Users at equal distances in the order of the dataset, with what the titles of their items are. */
async function exampleUsers(data: string) {
  const dataset = await Dataset.open(data);
  try {
    const [train, test] = [await dataset.interactions("train"), await dataset.interactions("test")];
    const [userIds, itemIds] = [await dataset.rawUserIds(), await dataset.rawItemIds()];
    const titles = await dataset.itemTitles();
    const indexOf = new Map(itemIds.map((id, index) => [id, index]));
    const named = (index: number): DemoItem => ({ item: itemIds[index]!, title: titles[index] ?? itemIds[index]! });
    return Array.from({ length: USERS }, (_, i) => {
      const index = Math.floor(((i + 0.5) * dataset.users) / USERS);
      const heldOut = csrRow(test, index);
      const user = userIds[index]!;
      const history = Array.from(csrRow(train, index), named);
      const withItems = (items: readonly { readonly item: string; readonly score: number }[]): DemoUser => ({
        user,
        history,
        recommended: items.map(({ item, score }) => {
          const at = indexOf.get(item)!;
          return { ...named(at), score, found: heldOut.includes(at) };
        }),
      });
      return { user, with: withItems };
    });
  } finally {
    dataset.close();
  }
}
