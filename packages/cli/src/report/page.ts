// The report's page: sections in the order in which a reader asks. Everything that comes from data goes through `html`.
import path from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import type { ReportContent } from "./content.js";
import { curvesSection } from "./curves-section.js";
import { type Html, html } from "./html.js";
import { claimParagraph, metricsSection, summaryCards } from "./metrics-section.js";
import { runSection } from "./run-section.js";
import { samplesSection } from "./samples-section.js";
import { style } from "./style.js";

/** One HTML document, whole: no scripts, nothing loaded; a content security policy forbids both. */
export function page(content: ReportContent): string {
  const title = titleOf(content);
  const sections = [
    { id: "metrics", title: "Metrics", body: metricsSection(content) },
    { id: "samples", title: "Sample recommendations", body: samplesSection(content) },
    { id: "curves", title: "Learning curves", body: curvesSection(content.facts) },
    { id: "run", title: "The run", body: runSection(content) },
  ].filter((section): section is { id: string; title: string; body: Html } => section.body !== undefined);
  return html`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="generator" content="cllm4rec">
<title>${title} – CLLM4Rec report</title>
${style}
</head>
<body>
<header>
<h1>${title}</h1>
${subtitle(content)}
${claimParagraph(content)}
</header>
<nav aria-label="Sections"><ul>${sections.map(({ id, title }) => navEntry(id, title))}</ul></nav>
<main>
${summaryCards(content)}
${sections.map(
  ({ id, title, body }) => html`<section aria-labelledby="${id}"><h2 id="${id}">${title}</h2>
${body}
</section>`,
)}
</main>
<footer><p class="soft">Written by cllm4rec ${packageJson.version} on Node ${process.versions.node}.</p></footer>
</body>
</html>
`.toString();
}

/** Links are written out, since nothing is inserted into what a browser follows. */
function navEntry(id: string, title: string): Html | undefined {
  switch (id) {
    case "metrics":
      return html`<li><a href="#metrics">${title}</a></li>`;
    case "curves":
      return html`<li><a href="#curves">${title}</a></li>`;
    case "samples":
      return html`<li><a href="#samples">${title}</a></li>`;
    case "run":
      return html`<li><a href="#run">${title}</a></li>`;
    default:
      return undefined;
  }
}

/** Dataset, backbone and seed, which tell runs apart; the directory's name where there is no record of them. */
function titleOf({ facts: { record }, directory }: ReportContent): string {
  if (!record) return path.basename(path.resolve(directory));
  return `${path.basename(record.dataset.path)}, ${path.basename(record.backbone.id)}, seed ${record.seed}`;
}

function subtitle(content: ReportContent): Html {
  const { facts, model } = content;
  const { record, history } = facts;
  const ended = history?.stages[history.stages.length - 1];
  const reason = ended?.ended?.reason;
  const state =
    model === undefined
      ? "stopped before there was a model"
      : reason === "stopped"
        ? "stopped before its end; run the same command to resume"
        : reason === "early"
          ? "ended early: no better on validation for long enough"
          : undefined;
  const parts = [
    path.basename(path.resolve(content.directory)),
    record?.stages.join(", "),
    history?.to && `${history.to.slice(0, 16).replace("T", " ")} UTC`,
    state,
  ].filter((part) => part !== undefined);
  return html`<p class="soft">${parts.join(" · ")}</p>`;
}
