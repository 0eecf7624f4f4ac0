// report.html as a reader has it: one sound HTML file with nothing loaded and nothing run, whose figures are those of
// the other commands.
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { type DefaultTreeAdapterTypes as Html, html as namespaces, parse } from "parse5";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ITEMS, runHere, USERS, writeBackbone, writeChoices } from "./run-cli.js";

let folder = "";
const at = (...names: string[]) => path.join(folder, ...names);

/** Runs a command line in this process; `until` interrupts it once stderr has it. */
const cllm4rec = (args: string, until?: string) => runHere(folder, args, { ...(until !== undefined && { until }) });

/** What a title can try. */
const HOSTILE = [
  `<script>alert("x")</script>`,
  `"><img src=x onerror=alert(1)>`,
  `' onmouseover='alert(2)`,
  `</li></ul></article></main></body></html><h1>gone</h1>`,
  `<!-- &lt; --> & <style>*{display:none}</style>`,
  `\u202Ereversed \u2066isolate`,
  `${"long ".repeat(60)}`,
  `]]> {{constructor}} \${x} &#60;b&#62;`,
];
/** The last item has none. */
const titleOf = (i: number) => `${HOSTILE[i % HOSTILE.length]} (${i})`;

const TRAIN =
  "--method paper --data @data --backbone @backbone --seed 3 --batch 8 --learning-rate 0.05 --prior-deviation 0.5 " +
  "--lambda-c 0.01 " +
  "--warm-up-epochs 1 --rounds 1 --epochs 4";

beforeAll(async () => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "cli-report-"));
  await writeBackbone(at("backbone"));
  writeChoices(at("choices.jsonl"));
  const meta = Array.from({ length: ITEMS - 1 }, (_, i) => ({
    item: `i${i}`,
    title: titleOf(i),
  }));
  fs.writeFileSync(at("meta.jsonl"), meta.map((line) => `${JSON.stringify(line)}\n`).join(""));
  const prepared = await cllm4rec(
    "prepare --input @choices.jsonl --columns user=user,item=item,text=text --meta @meta.jsonl --meta-columns " +
      "item=item,title=title --core 0 --out @data",
  );
  expect(prepared.stderr + prepared.code).toMatch(/0$/);
}, 120_000);
afterAll(() => fs.rmSync(folder, { recursive: true, force: true }));

interface Page {
  readonly source: string;
  readonly elements: readonly Html.Element[];
  /** Of all elements with this name, in order. */
  texts(name: string): string[];
  readonly text: string;
}

const attribute = (element: Html.Element, name: string) => element.attrs.find((one) => one.name === name)?.value;

function textOf(node: Html.Node): string {
  if ("value" in node) return node.value;
  return "childNodes" in node ? node.childNodes.map(textOf).join("") : "";
}

/** Parses as a browser does, and throws where a browser would have to guess. */
function read(file: string): Page {
  const source = fs.readFileSync(file, "utf8");
  const errors: string[] = [];
  const document = parse(source, { onParseError: ({ code, startLine }) => errors.push(`${code}, line ${startLine}`) });
  expect(errors).toEqual([]);
  const elements: Html.Element[] = [];
  const walk = (node: Html.Node): void => {
    if ("tagName" in node) elements.push(node);
    if ("childNodes" in node) node.childNodes.forEach(walk);
  };
  walk(document);
  const texts = (name: string) => elements.filter(({ tagName }) => tagName === name).map(textOf);
  return { source, elements, texts, text: texts("body").join("") };
}

/** Rows of the table whose caption begins so, cell by cell. */
function table(page: Page, caption: string): string[][] {
  const found = page.elements.find(
    (element) => element.tagName === "table" && textOf(element).trim().startsWith(caption),
  );
  const rows: string[][] = [];
  const walk = (node: Html.Node): void => {
    if ("tagName" in node && node.tagName === "tr") {
      rows.push(node.childNodes.filter((cell) => "tagName" in cell).map((cell) => textOf(cell).trim()));
    } else if ("childNodes" in node) node.childNodes.forEach(walk);
  };
  if (found) walk(found);
  return rows;
}

describe("the page that train writes", () => {
  let printed: { report: string; validation: Record<string, number> };
  let page: Page;
  beforeAll(async () => {
    const { code, stdout, stderr } = await cllm4rec(`train ${TRAIN} --out @model --json`);
    expect(stderr).not.toMatch(/^(warning|error)/m);
    expect(code).toBe(0);
    printed = JSON.parse(stdout);
    page = read(at("model", "report.html"));
  }, 120_000);

  test("is named in what the command prints", () => {
    expect(printed.report).toBe(at("model", "report.html"));
  });

  test("runs nothing, loads nothing, and tells a browser to refuse both", () => {
    const names = new Set(page.elements.map(({ tagName }) => tagName));
    for (const active of ["script", "img", "iframe", "object", "embed", "link", "form", "base"]) {
      expect(names, active).not.toContain(active);
    }
    const policy = page.elements.find((element) => attribute(element, "http-equiv") === "Content-Security-Policy");
    expect(policy && attribute(policy, "content")).toBe("default-src 'none'; style-src 'unsafe-inline'");
    for (const { attrs } of page.elements) {
      for (const { name, value } of attrs) {
        expect(name).not.toMatch(/^(on|src|style$|action)/);
        if (name === "href") expect(value).toMatch(/^#[a-z]+$/);
      }
    }
    expect(page.source).not.toMatch(/url\(|@import|https?:/);
  });

  test("is readable without seeing the plots: captions, names of plots, headings in order, unique ids", () => {
    const ids = page.elements.flatMap((element) => attribute(element, "id") ?? []);
    expect(new Set(ids).size).toBe(ids.length);
    const plots = page.elements.filter(
      ({ namespaceURI, tagName }) => namespaceURI === namespaces.NS.SVG && tagName === "svg",
    );
    expect(plots.length).toBeGreaterThan(5);
    for (const plot of plots) {
      expect(attribute(plot, "role")).toBe("img");
      const named = attribute(plot, "aria-labelledby")!.split(" ");
      expect(named).toHaveLength(2);
      for (const id of named) expect(ids).toContain(id);
      expect(textOf(plot)).not.toMatch(/NaN|undefined|Infinity/);
    }
    for (const element of page.elements) {
      if (element.tagName !== "table") continue;
      expect(element.childNodes.find((child) => "tagName" in child)).toMatchObject({ tagName: "caption" });
    }
    const levels = page.elements.flatMap(({ tagName }) => /^h([1-6])$/.exec(tagName)?.[1] ?? []).map(Number);
    for (const [i, level] of levels.entries()) expect(level).toBeLessThanOrEqual((levels[i - 1] ?? 0) + 1);
    expect(page.texts("html")).toHaveLength(1);
    expect(page.elements.find(({ tagName }) => tagName === "html")!.attrs).toContainEqual({
      name: "lang",
      value: "en",
    });
  });

  test("paths of plots are numbers and stay inside", () => {
    const paths = page.elements.filter(({ tagName }) => tagName === "path").map((element) => attribute(element, "d")!);
    expect(paths.length).toBeGreaterThan(3);
    for (const d of paths) {
      expect(d).toMatch(/^M[\d.,L-]+Z?$/);
      const numbers = d
        .slice(1)
        .split(/[,LMZ]/)
        .filter(Boolean)
        .map(Number);
      numbers.forEach((value, i) => {
        expect(value).toBeGreaterThanOrEqual(0);
        expect(value).toBeLessThanOrEqual(i % 2 === 0 ? 640 : 240);
      });
    }
  });

  test("titles stand as they are, as text and nothing else", () => {
    const shown = page.texts("bdi");
    for (const [kind, start] of HOSTILE.entries()) {
      const titles = Array.from({ length: ITEMS - 1 }, (_, i) => i)
        .filter((i) => i % HOSTILE.length === kind)
        .map((i) => (start.length > 90 ? `${start.slice(0, 89)}…` : titleOf(i)));
      expect(
        titles.some((title) => shown.includes(title)),
        start,
      ).toBe(true);
      if (/[<"']/.test(start)) expect(page.source).not.toContain(start);
    }
    expect(page.texts("h1")).toEqual(["data, backbone, seed 3"]);
    expect(page.texts("style")).toHaveLength(1);
  });

  test("its metrics are those of evaluate and baselines, to four decimals and with their intervals", async () => {
    const evaluated = JSON.parse((await cllm4rec("evaluate --model @model --json")).stdout);
    const { baselines } = JSON.parse((await cllm4rec("baselines --data @data --trials 6 --json")).stdout);
    const [header, ...rows] = table(page, "Means over users");
    const rowOf = (name: string) => rows.find(([first]) => first === name)!;
    expect(header!.slice(0, 4)).toEqual(["Recommender", "recall@20", "recall@40", "ndcg@100"]);
    expect(rows.map(([name]) => name)).toEqual(["this model", ...baselines.map(({ name }: { name: string }) => name)]);
    for (const { name, metrics, intervals } of [{ name: "this model", ...evaluated }, ...baselines]) {
      ["recall@20", "recall@40", "ndcg@100"].forEach((metric, i) => {
        const [low, high] = intervals[metric];
        expect(rowOf(name)[i + 1]).toBe(`${metrics[metric].toFixed(4)}${low.toFixed(4)}–${high.toFixed(4)}`);
      });
    }
    expect(baselines.map(({ method }: { method?: string }) => method).filter(Boolean)).toEqual([
      "content knn",
      "ease",
      "ease with text",
    ]);
    expect(page.text).toContain("EASE is a linear model in closed form");
    const differences = table(page, "The model against each recommender").slice(1);
    expect(differences).toHaveLength(3 * baselines.length);
    for (const [against, metric, difference] of differences) {
      const theirs = baselines.find(({ name }: { name: string }) => name === against).metrics[metric!];
      expect(Number(difference!.replace("−", "-"))).toBeCloseTo(evaluated.metrics[metric!] - theirs, 3.9);
    }
  });

  test("it opens with what can be claimed, and each card has the best baseline", async () => {
    const verdicts = table(page, "The model against each recommender").slice(1);
    const ofPopularity = verdicts.filter(([against]) => against === "most popular").map((row) => row[6]);
    const better = ofPopularity.includes("better") && !ofPopularity.includes("worse");
    const [claim] = page.texts("p").filter((text) => text.includes("by paired t-tests over users"));
    expect(claim).toMatch(
      /^This model is .*\. On the test items,\s+by paired t-tests over users at 0\.05, corrected for 18/s,
    );
    expect(/better than [^;]*most popular/.test(claim!)).toBe(better);
    const [, ...rows] = table(page, "Means over users");
    const [best] = rows
      .slice(1)
      .map((row) => Number(row[1]!.slice(0, 6)))
      .sort((a, b) => b - a);
    expect(page.text).toMatch(new RegExp(`recall@20, test.*?best baseline:\\s+[^\\d]*${best!.toFixed(4)}`, "s"));
    const headings = page.texts("h2");
    expect(headings.indexOf("Sample recommendations")).toBeLessThan(headings.indexOf("Learning curves"));
  });

  test("its samples are those of recommend, and what was held out is marked", async () => {
    const articles = page.elements.filter(({ tagName }) => tagName === "article");
    expect(articles).toHaveLength(5);
    for (const article of articles) {
      const user = /User (u\d+)/.exec(textOf(article))![1]!;
      const { stdout } = await cllm4rec(`recommend --model @model --user ${user} --known train -k 10 --json`);
      const { items } = JSON.parse(stdout) as { items: { item: string; score: number }[] };
      const lists = article.childNodes.flatMap((node) => ("childNodes" in node ? node.childNodes : []));
      const [history, recommended, heldOut] = lists
        .filter((node) => "tagName" in node && node.tagName === "div")
        .map((node) => textOf(node));
      items.forEach(({ item, score }) => {
        expect(recommended).toContain(`${item} ${score.toFixed(2)}`);
        expect(history!.match(/i\d+/g)).not.toContain(item);
        // The raw id of i79, which has no title, stands for itself.
        const found = new RegExp(`\\b${item}\\b`).test(heldOut!);
        expect(new RegExp(`\\b${item} [\\d.−-]+ found`).test(recommended!), `${user} ${item}`).toBe(found);
      });
    }
  });

  test("its curves are those of the log", () => {
    const events = fs
      .readFileSync(at("model", "events.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    const validations = events.filter(({ type }) => type === "validation");
    const rows = table(page, "Metrics on validation by epoch").slice(1);
    expect(rows.map((row) => row.slice(0, 4))).toEqual(
      validations.map(({ round, metrics }) => [
        String(round + 1),
        ...Object.values(metrics).map((value) => Number(value).toFixed(4)),
      ]),
    );
    const steps = events.filter(({ type, task }) => type === "step" && task === "rec-step");
    const epochs = new Set(steps.map(({ round }) => round)).size;
    expect(page.text).toContain(`${epochs} means of whole epochs`);
    const last = steps[steps.length - 1];
    const lastEpoch = steps.filter(({ round }) => round === last.round);
    const mean = lastEpoch.reduce((sum, one) => sum + one.languageModel, 0) / lastEpoch.length;
    expect(page.text).toContain(`${mean.toFixed(4)} in the last, at update ${last.update}.`);
  });

  test("it says what was run: configuration, versions, seed, objective, sizes and times", () => {
    const run = JSON.parse(fs.readFileSync(at("model", "run.json"), "utf8"));
    const facts = new Map(table(page, "What was run").map(([name, value]) => [name, value]));
    expect(facts.get("Seed")).toBe("3");
    expect(facts.get("Users, items")).toBe(`${USERS}, ${ITEMS}`);
    expect(facts.get("Versions")).toContain(`node ${process.versions.node}`);
    expect(facts.get("Backbone")).toContain(run.backbone.contentHash.slice(0, 12));
    expect(table(page, "The objective").slice(1)).toEqual([
      ["pretrain", "0.1", "0", "paper", "0.015"],
      ["finetune", "0.01", "0", "paper", "0.05"],
    ]);
    const settings = new Map(table(page, "Settings by their names").map(([name, value]) => [name, value]));
    expect(settings.get("finetune.epochs")).toBe("4");
    expect(settings.get("pretrain.rounds")).toBe("1");
    const sizes = new Map(table(page, "Files of the model directory").map(([name, value]) => [name, value]));
    const { size } = fs.statSync(at("model", "embeddings.safetensors"));
    expect(sizes.get("embeddings.safetensors")).toBe(`${(size / 1000).toFixed(1)} kB`);
    expect(page.text).toContain(`Trained: ${((USERS + ITEMS) * 16 * 2).toLocaleString("en-US")} numbers`);
    const times = table(page, "Time of finetune").slice(1);
    expect(times.map(([name, count]) => [name, count])).toEqual([
      ["rec-step", "4"],
      ["c-step", "4"],
      ["validation", "4"],
      ["saving", expect.stringMatching(/^\d+$/)],
    ]);
  });
});

describe("cllm4rec report", () => {
  test("--json: the file and the figures; another split, another history, another file", async () => {
    const { code, stdout } = await cllm4rec("report --model @model --split validation --out @validation.html --json");
    expect(code).toBe(0);
    expect(stdout.trimEnd()).not.toContain("\n");
    const evaluated = JSON.parse((await cllm4rec("evaluate --model @model --split validation --json")).stdout);
    const printed = JSON.parse(stdout);
    expect(printed).toMatchObject({ file: at("validation.html"), split: "validation", history: "train", users: USERS });
    expect(printed.metrics).toMatchObject(evaluated.metrics);
    expect(printed.baselines.map(({ name }: { name: string }) => name)).toContain("most popular");
    expect(read(at("validation.html")).text).toContain("validation items among all items but the history");
    const wide = await cllm4rec("report --model @model --history train+validation --out @wide.html --json");
    const wider = JSON.parse((await cllm4rec("evaluate --model @model --history train+validation --json")).stdout);
    expect(wider.history).toBe("train+validation");
    expect(JSON.parse(wide.stdout).metrics).toMatchObject(wider.metrics);
    expect(read(at("wide.html")).text).toContain("the history is the training and validation items");
  });

  test("with many items it leaves EASE out, and says so", async () => {
    const lines = Array.from({ length: 2600 }, (_, item) =>
      JSON.stringify({ user: `u${item % 60}`, item: `i${item}` }),
    );
    fs.writeFileSync(at("many.jsonl"), `${lines.join("\n")}\n`);
    const columns = "--columns user=user,item=item --core 0";
    expect((await cllm4rec(`prepare --input @many.jsonl ${columns} --out @many`)).code).toBe(0);
    const settings = "--backbone @backbone --epochs 1 --blend none --report none";
    expect((await cllm4rec(`finetune --data @many ${settings} --out @many-model`)).code).toBe(0);
    const { code, stdout } = await cllm4rec("report --model @many-model --json");
    expect(code).toBe(0);
    const names = JSON.parse(stdout).baselines.map(({ name }: { name: string }) => name);
    expect(names).toEqual(["most popular", "item KNN", "item KNN (shrinkage 10)"]);
    expect(read(at("many-model", "report.html")).text).toContain("is left out: above 2,500 items");
  });

  test("a run without a model yet", async () => {
    fs.cpSync(at("model"), at("unfinished"), { recursive: true });
    fs.rmSync(at("unfinished", "embeddings.safetensors"));
    expect((await cllm4rec("report --model @unfinished")).code).toBe(0);
    expect(read(at("unfinished", "report.html")).text).toContain("stopped before there was a model");
  });

  test("--no-evaluate needs no backbone, and shows the validation that is on record", async () => {
    fs.renameSync(at("backbone"), at("elsewhere"));
    try {
      expect((await cllm4rec("report --model @model --out @curves.html --no-evaluate")).code).toBe(0);
      const page = read(at("curves.html"));
      expect(page.text).toContain("The model has not been measured for this page");
      expect(page.text).toContain("best epoch");
      const without = await cllm4rec("report --model @model --out @none.html");
      expect(without).toMatchObject({ code: 1, stdout: "", stderr: expect.stringContaining("as --backbone") });
      expect(fs.existsSync(at("none.html"))).toBe(false);
      expect((await cllm4rec("report --model @model --out @none.html --backbone @elsewhere")).code).toBe(0);
    } finally {
      fs.renameSync(at("elsewhere"), at("backbone"));
    }
  });

  test("what is not a run, and options that do not go together, are one clear error", async () => {
    fs.mkdirSync(at("empty"));
    expect(await cllm4rec("report --model @empty")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: .*empty/),
    });
    expect(await cllm4rec("report --model @nowhere")).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^error: .*nowhere/),
    });
    const both = await cllm4rec("report --model @model --split validation --history train+validation");
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining("use --history train") });
    const unwritable = await cllm4rec("report --model @model --no-evaluate --out @choices.jsonl/report.html");
    expect(unwritable).toMatchObject({ code: 1, stderr: expect.stringContaining("cannot be written") });
  });
});

describe("training commands", () => {
  test("an interrupted run has its curves; what is repeated after it is not counted twice", async () => {
    const first = await cllm4rec(`train ${TRAIN} --out @stopped`, "pretrain: warm-up epoch 1");
    expect(first.code).toBe(130);
    expect(read(at("stopped", "report.html")).text).toContain("stopped before its end; run the same command to resume");
    const second = await cllm4rec(`train ${TRAIN} --out @stopped`, "finetune: epoch 2/4");
    expect(second.code).toBe(130);
    const late = read(at("stopped", "report.html"));
    expect(late.text).toContain("pretrain, L-step: histories (Eq. 7).");
    expect(late.text).toContain("stopped before its end; run the same command to resume");
    expect(late.text).toContain("finetune, on validation.");
    expect((await cllm4rec(`train ${TRAIN} --out @stopped`)).code).toBe(0);
    const whole = read(at("stopped", "report.html"));
    expect(table(whole, "Time of finetune")[1]!.slice(0, 3)).toEqual(
      table(read(at("model", "report.html")), "Time of finetune")[1]!.slice(0, 3),
    );
  });

  test("interrupted while it is measured, the model is there and the message says what is not", async () => {
    const { code, stdout, stderr } = await cllm4rec(`train ${TRAIN} --out @unmeasured --json`, "ranking 80 items");
    expect({ code, stdout }).toEqual({ code: 130, stdout: "" });
    expect(stderr).toContain(`the model is in ${at("unmeasured")}, without a report`);
    expect(fs.existsSync(at("unmeasured", "report.html"))).toBe(false);
    expect((await cllm4rec("report --model @unmeasured --no-evaluate")).code).toBe(0);
  });

  test("--report none writes none; pretraining alone is not measured", async () => {
    const args = TRAIN.replace(/ --lambda-c \S+| --epochs \S+| --batch \S+| --learning-rate \S+/g, "");
    expect((await cllm4rec(`pretrain ${args} --out @first --report none`)).code).toBe(0);
    expect(fs.existsSync(at("first", "report.html"))).toBe(false);
    expect((await cllm4rec(`pretrain ${args} --out @first`)).code).toBe(0);
    expect(read(at("first", "report.html")).text).toContain("The model has not been measured");
  });

  test("a report that cannot be written is a warning: the model is there", async () => {
    fs.mkdirSync(at("blocked", "report.html"), { recursive: true });
    // Only the folder of a run is written to.
    fs.writeFileSync(at("blocked", "run.json"), '{"format": "cllm4rec-run"}');
    const { code, stdout, stderr } = await cllm4rec(`train ${TRAIN} --out @blocked --json`);
    expect(code).toBe(0);
    expect(stderr).toMatch(/^warning: no report was written: .*report\.html: cannot be written/m);
    expect(JSON.parse(stdout).report).toBeUndefined();
    expect(fs.existsSync(at("blocked", "embeddings.safetensors"))).toBe(true);
  });
});

test("every command has --json, examples and exit codes in its help", async () => {
  const list = (await cllm4rec("--help")).stdout.split("Commands:")[1]!;
  const names = [...list.matchAll(/^ {2}([a-z]+) {2,}/gm)].map(([, name]) => name!);
  expect(names).toEqual(
    expect.arrayContaining(["prepare", "train", "evaluate", "recommend", "baselines", "report", "demo"]),
  );
  for (const name of names) {
    const { code, stdout } = await cllm4rec(`${name} --help`);
    expect(code).toBe(0);
    // A script for a shell is no JSON.
    const parts = [...(name === "completion" ? [] : ["--json"]), "Examples:", "Exit codes:"];
    for (const part of parts) expect(stdout, `${name}: ${part}`).toContain(part);
  }
});
