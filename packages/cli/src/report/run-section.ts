// What was run, on what, with which objective, how large it is, and how long it took.
import { bytes, decimal, percent, seconds, whole } from "../format.js";
import type { ReportContent } from "./content.js";
import { type Html, html } from "./html.js";
import type { RunFacts } from "./run-facts.js";
import { type StageHistory, type Step, stepsByTask } from "./run-history.js";

export function runSection(content: ReportContent): Html {
  const { facts } = content;
  return html`${inputs(content)}
${objective(facts)}
${timings(facts)}
${sizes(content)}
${settings(facts)}`;
}

/** A table of names and values; what is undefined is left out. */
function pairs(caption: string, rows: readonly (readonly [string, string | Html | undefined])[]): Html {
  return html`<div class="wide" tabindex="0"><table><caption>${caption}</caption><tbody>${rows.map(([name, value]) =>
    value === undefined ? undefined : html`<tr><th scope="row">${name}</th><td>${value}</td></tr>`,
  )}</tbody></table></div>`;
}

function inputs({ facts, manifest, model, measured }: ReportContent): Html {
  const { record } = facts;
  const { users, items, interactions, train, validation, test, statistics, preparation } = manifest;
  const sizes = model?.description.sizes;
  const used = record?.backbone ?? model?.description.backbone;
  return pairs("What was run", [
    ["Stages", record?.stages.join(", then ")],
    ["Seed", record && String(record.seed)],
    ["Dataset", record?.dataset.path ?? model?.serving.dataset?.path],
    ["Users, items", `${whole(users)}, ${whole(items)}`],
    [
      "Interactions",
      `${whole(interactions)}: train ${whole(train)}, validation ${whole(validation)}, test ${whole(test)}`,
    ],
    [
      "Texts",
      `${whole(statistics.trainReviews)} training reviews, ${whole(statistics.itemTexts)} items, ` +
        `${whole(statistics.userTexts)} users`,
    ],
    ["Split", `${preparation.split}, seed ${preparation.seed}`],
    ["Backbone", used && html`${used.id} <span class="soft">weights ${used.contentHash.slice(0, 12)}…</span>`],
    ["Width of embeddings, words", sizes && `${whole(sizes.width)}, ${whole(sizes.words)}`],
    ["Frozen parameters", measured && whole(measured.backboneParameters)],
    ["Began with the model", record?.from],
    [
      "Machine",
      record &&
        `${record.machine.cpu}, ${record.machine.cores} cores, ${record.machine.platform} ${record.machine.arch}`,
    ],
    ["First and last event", facts.history?.from && `${facts.history.from} to ${facts.history.to}`],
    [
      "Versions",
      record &&
        Object.entries(record.versions)
          .map(([name, version]) => `${name} ${version}`)
          .join(", "),
    ],
  ]);
}

/** λ_c and what it is measured in, by stage (Eq. 7, 8, 10). */
function objective({ record }: RunFacts): Html | undefined {
  if (!record) return undefined;
  const rows = record.stages.flatMap((stage) => {
    const settings = record.config[stage];
    if (typeof settings !== "object" || settings === null || Array.isArray(settings)) return [];
    return [{ stage, settings }];
  });
  const show = (value: unknown) =>
    value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
  return html`<div class="wide" tabindex="0"><table><caption>The objective: λ_c weighs the pull between collaborative
    and content embeddings, λ_l the prior. Scaling
“paper” is that of Eq. 7, 8 and 10; “released-code” is that of the authors’ program, where the same λ_c weighs far
  more.</caption>
<thead><tr><th scope="col">Stage</th><th scope="col">λ_c</th><th scope="col">λ_l</th><th scope="col">Scaling</th>
  <th scope="col">Learning rate</th></tr></thead>
<tbody>${rows.map(
    ({ stage, settings }) =>
      html`<tr><th scope="row">${stage}</th><td>${show(settings.lambdaC)}</td><td>${show(settings.lambdaL)}</td>
        <td>${show(settings.scaling)}</td><td>${show(settings.learningRate)}</td></tr>`,
  )}</tbody></table></div>`;
}

function timings({ history, seconds: clock }: RunFacts): Html | undefined {
  if (!history || history.stages.length === 0) return undefined;
  return html`${history.stages.map((stage) => stageTimings(stage, clock[stage.stage]))}`;
}

function stageTimings(stage: StageHistory, total: number | undefined): Html {
  const rows = [...stepsByTask(stage.steps)].map(([task, steps]) => taskTimes(task, steps));
  const validations = stage.validations.map(({ milliseconds }) => milliseconds / 1000);
  const saves = stage.checkpoints.map((milliseconds) => milliseconds / 1000);
  const plain = (name: string, times: readonly number[]) => {
    const time = times.reduce((sum, one) => sum + one, 0);
    return times.length === 0
      ? undefined
      : html`<tr><th scope="row">${name}</th><td class="number">${whole(times.length)}</td><td class="number"></td>
        <td class="number">${seconds(time / times.length)}</td><td class="number">${seconds(time)}</td>
          <td class="number"></td><td class="number"></td></tr>`;
  };
  const all =
    total === undefined
      ? ""
      : ` ${seconds(total)} in all, over ${stage.sittings} ${stage.sittings === 1 ? "sitting" : "sittings"}.`;
  return html`<div class="wide" tabindex="0"><table><caption>Time of ${stage.stage}.${all} “Each” is the mean of whole
    epochs. Useful tokens are those of documents; the rest is padding.</caption>
<thead><tr><th scope="col">Work</th><th scope="col" class="number">Epochs, or times</th>
  <th scope="col" class="number">Steps</th><th scope="col" class="number">Each</th>
    <th scope="col" class="number">Together</th>
<th scope="col" class="number">Useful tokens/s</th><th scope="col" class="number">Padding</th></tr></thead>
<tbody>${rows.map(
    ({ task, epochs, steps, each, time, rate, padding }) =>
      html`<tr><th scope="row">${task}</th><td class="number">${whole(epochs)}</td>
        <td class="number">${whole(steps)}</td><td class="number">${each}</td><td class="number">${seconds(time)}</td>
          <td class="number">${rate}</td><td class="number">${percent(padding)}</td></tr>`,
  )}${plain("validation", validations)}${plain("saving", saves)}</tbody></table></div>`;
}

/** What a task's steps took, without those that were lost when a process ended and then repeated. */
function taskTimes(task: string, steps: readonly Step[]) {
  const epochs = new Map<number, { seconds: number; whole: boolean }>();
  let [time, useful, computed] = [0, 0, 0];
  for (const { round, step, steps: all, milliseconds, usefulTokens, computedTokens } of steps) {
    const epoch = epochs.get(round) ?? { seconds: 0, whole: false };
    epoch.seconds += milliseconds / 1000;
    epoch.whole ||= step === all;
    epochs.set(round, epoch);
    time += milliseconds / 1000;
    useful += usefulTokens;
    computed += computedTokens;
  }
  const done = [...epochs.values()].filter((epoch) => epoch.whole);
  return {
    task,
    epochs: done.length,
    steps: steps.length,
    each: done.length === 0 ? "" : seconds(done.reduce((sum, epoch) => sum + epoch.seconds, 0) / done.length),
    time,
    rate: time === 0 ? "" : whole(useful / time),
    padding: computed === 0 ? 0 : 1 - useful / computed,
  };
}

function sizes({ facts, model, measured }: ReportContent): Html {
  const described = model?.description.sizes;
  const sides = model?.hasContent ? 2 : 1;
  const trained = described && (described.users + described.items) * described.width * sides;
  const share =
    trained !== undefined && measured
      ? `, ${decimal(trained / measured.backboneParameters, 2)} times as many as are frozen`
      : "";
  return html`${
    trained === undefined
      ? undefined
      : html`<p>Trained: ${whole(trained)} numbers${share};
        ${sides === 2 ? "collaborative and content" : "collaborative"} embeddings of ${whole(described!.users)} users
          and ${whole(described!.items)} items.</p>`
  }
<div class="wide" tabindex="0"><table><caption>Files of the model directory when this page was written</caption>
<tbody>${facts.sizes.map(
    ({ name, bytes: size }) => html`<tr><th scope="row">${name}</th>
  <td class="number">${bytes(size)}</td></tr>`,
  )}</tbody></table></div>`;
}

function settings({ record }: RunFacts): Html | undefined {
  if (!record) return undefined;
  const table = pairs("Settings by their names in the configuration file", flat(record.config));
  return html`<details><summary>The whole configuration</summary>${table}</details>`;
}

/** `{ finetune: { epochs: 3 } }` → `["finetune.epochs", "3"]`. */
function flat(tree: Readonly<Record<string, unknown>>, before = ""): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]): [string, string][] => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return flat(Object.fromEntries(Object.entries(value)), `${before}${key}.`);
    }
    return [[`${before}${key}`, typeof value === "string" ? value : JSON.stringify(value)]];
  });
}
