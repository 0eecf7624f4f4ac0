// The learning curves: language model's loss and regulariser by task, and the metrics on validation.

import { decimal, whole } from "../format.js";
import { lossCurves } from "./curves.js";
import { type Html, html } from "./html.js";
import { lineCharts, type Series } from "./line-chart.js";
import type { RunFacts } from "./run-facts.js";
import type { StageHistory } from "./run-history.js";

/** What each task learns. */
const TASKS: Readonly<Record<string, string>> = {
  "warm-up": "content warm-up: texts (Eq. 5)",
  "l-step": "L-step: histories (Eq. 7)",
  "c-step": "C-step: texts (Eq. 8)",
  "rec-step": "recommendation: masked items (Eq. 10)",
};

/** `undefined` where the run has no log. */
export function curvesSection({ history }: RunFacts): Html | undefined {
  if (!history) return undefined;
  const losses = history.stages.flatMap((stage, i) => lossFigures(stage, i));
  const validations = history.stages.map((stage, i) => validationFigure(stage, i));
  if (losses.length === 0) return html`<p>No step was logged.</p>`;
  return html`${validations}
<details class="curves"><summary>Losses while training</summary>
${losses}
</details>
${history.notices.map(({ stage, message }) => html`<p>${stage}: ${message}</p>`)}
${
  history.unreadable > 0
    ? html`<p>${history.unreadable} lines of events.jsonl could not be read and are left out.</p>`
    : undefined
}`;
}

function lossFigures(stage: StageHistory, index: number): Html[] {
  return lossCurves(stage).map(({ task, perEpoch, points }, i) => {
    const lm: Series = { name: "loss", points: points.map((p) => [p.update, p.languageModel] as const) };
    const mutual: Series = { name: "regulariser", points: points.map((p) => [p.update, p.mutual] as const) };
    const regularised = points.some((point) => point.mutual !== 0);
    const [first, last] = [points[0]!, points[points.length - 1]!];
    const about = TASKS[task] ?? task;
    const id = `loss-${index}-${i}`;
    const said = (name: string, a: number, b: number) =>
      `${name} ${decimal(a)} in the first ${perEpoch ? "epoch" : "stretch"}, ${decimal(b)} in the last, at update ` +
      `${whole(last.update)}.`;
    const count = whole(points.length);
    const means = perEpoch ? `${count} means of whole epochs` : `means over ${count} stretches of steps`;
    return html`<figure>${lineCharts({
      id,
      title: `${stage.stage}, ${about}: language model's loss`,
      description: said("Loss", first.languageModel, last.languageModel),
      x: "updates of the stage",
      series: [lm],
    })}
${
  regularised
    ? lineCharts({
        id: `${id}-mutual`,
        title: `${stage.stage}, ${about}: λ_c term`,
        description: said("λ_c term", first.mutual, last.mutual),
        x: "updates of the stage",
        series: [mutual],
      })
    : undefined
}
<figcaption><strong>${stage.stage}, ${about}.</strong> The language model's
  loss${regularised ? ", and below it the λ_c term of the objective" : ""};
  ${means}.</figcaption>
<details><summary>Values</summary><div class="wide" tabindex="0"><table><caption>Means up to each update</caption>
<thead><tr><th scope="col" class="number">Update</th><th scope="col" class="number">Loss</th>
  <th scope="col" class="number">λ_c term</th></tr></thead>
<tbody>${points.map(
      (p) => html`<tr><td class="number">${whole(p.update)}</td>
  <td class="number">${decimal(p.languageModel)}</td><td class="number">${decimal(p.mutual)}</td></tr>`,
    )}</tbody></table></div></details></figure>`;
  });
}

function validationFigure({ stage, validations }: StageHistory, index: number): Html | undefined {
  if (validations.length === 0) return undefined;
  const names = Object.keys(validations[0]!.metrics);
  const series = names.map((name) => ({
    name,
    points: validations.flatMap(({ round, metrics }) => {
      const value = metrics[name];
      return value === undefined ? [] : [[round + 1, value] as const];
    }),
  }));
  const best = [...validations].reverse().find((validation) => validation.best);
  const values = (metrics: Readonly<Record<string, number>>) =>
    names.map((name) => `${name} ${decimal(metrics[name] ?? Number.NaN)}`).join(", ");
  return html`<figure>${lineCharts({
    id: `validation-${index}`,
    title: `${stage}: metrics on the validation split`,
    description: best ? `Best at epoch ${best.round + 1}: ${values(best.metrics)}.` : "No epoch was best.",
    x: "epochs",
    series,
    ...(best && { mark: { x: best.round + 1, label: `best: ${best.round + 1}` } }),
  })}
<figcaption><strong>${stage}, on validation.</strong> ${
    best ? `The model is that of epoch ${best.round + 1}: ${values(best.metrics)}.` : ""
  }</figcaption>
<details><summary>Values</summary><div class="wide" tabindex="0"><table>
  <caption>Metrics on validation by epoch, ${whole(validations[0]!.users)} users</caption>
<thead><tr><th scope="col" class="number">Epoch</th>${names.map(
    (name) => html`<th scope="col" class="number">${name}</th>`,
  )}<th scope="col">Best so far</th></tr></thead>
<tbody>${validations.map(
    ({ round, metrics, best: isBest }) =>
      html`<tr><td class="number">${round + 1}</td>${names.map(
        (name) => html`<td class="number">${decimal(metrics[name] ?? Number.NaN)}</td>`,
      )}<td>${isBest ? "yes" : ""}</td></tr>`,
  )}</tbody></table></div></details></figure>`;
}
