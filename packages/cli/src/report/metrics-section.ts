// The metrics: the model beside simple recommenders, with intervals, and what of the differences is more than chance.
import { describeProtocol } from "../evaluation/protocol.js";
import { decimal, pValue, signed, whole } from "../format.js";
import { bestBaseline, claim, comparisonsOf, LEVEL, MAIN, verdict } from "./claim.js";
import type { ReportContent } from "./content.js";
import { type Html, html } from "./html.js";
import { intervalCharts } from "./interval-chart.js";
import { EASE_ITEMS, type Measured, type Measurement, REPORTED } from "./measure.js";

/** The sentence that the page opens with. */
export function claimParagraph({ measured }: ReportContent): Html | undefined {
  const sentence = measured && claim(measured.measurement);
  if (!sentence) return undefined;
  const comparisons = comparisonsOf(measured.measurement);
  return html`<p class="claim"><strong>${sentence}</strong> <span class="soft">On the ${measured.protocol.split} items,
    by paired t-tests over users at ${String(LEVEL)}, corrected for ${comparisons} comparisons.</span></p>`;
}

/** The three figures that people compare, each with the best baseline. */
export function summaryCards({ measured, model }: ReportContent): Html | undefined {
  if (measured) {
    const { split } = measured.protocol;
    return html`<ul class="cards">${MAIN.map((metric) => {
      const { mean, low, high } = measured.measurement.model.intervals[metric]!;
      const best = bestBaseline(measured.measurement, metric);
      return html`<li>${metric}, ${split}<strong>${decimal(mean)}</strong><span class="soft">${decimal(low)} to
        ${decimal(high)}</span>${
          best &&
          html`<br><span class="soft">best baseline:
            ${best.label ?? best.name} ${decimal(best.metrics[metric]!)}</span>`
        }</li>`;
    })}</ul>`;
  }
  const validation = Object.entries(model?.description.metrics ?? {});
  if (validation.length === 0) return undefined;
  return html`<ul class="cards">${validation.map(
    ([metric, value]) =>
      html`<li>${metric}, validation<strong>${decimal(value)}</strong><span class="soft">best epoch</span></li>`,
  )}</ul>`;
}

export function metricsSection({ measured, directory }: ReportContent): Html {
  if (!measured) {
    return html`<p>The model has not been measured for this page. <code>cllm4rec report --model ${directory}</code>
      does that.</p>`;
  }
  const { measurement, protocol } = measured;
  const { users, usersWithoutHeldOut, model, withoutEase, baselines } = measurement;
  const systems = [model, ...baselines];
  const left =
    usersWithoutHeldOut > 0 ? ` ${whole(usersWithoutHeldOut)} users without held-out items are left out.` : "";
  return html`<p>To be found: ${describeProtocol(protocol)}. ${whole(users)} users.${left} recall@K divides by min(K,
    held-out items), recall-all@K by all
held-out items. Of equal scores the lower item index ranks first.</p>
${aboutEase(withoutEase, protocol.split)}
${MAIN.map(
  (metric, i) =>
    html`<figure>${intervalCharts(
      `interval-${i}`,
      `${metric} on ${protocol.split}`,
      systems.map(({ name, label = name, intervals }) => ({ name: label, ...intervals[metric]! })),
    )}<figcaption>${metric}: mean over users and 95% bootstrap interval.</figcaption></figure>`,
)}
${metricsTable(systems)}
${membersTable(measurement.members)}
${comparisonTable(measured)}`;
}

/** What a reader has to know of EASE, the strongest of the simple recommenders. */
function aboutEase(withoutEase: boolean, split: string): Html {
  if (withoutEase) {
    return html`<p>EASE, a linear model in closed form, is left out: above ${whole(EASE_ITEMS)} items a fit takes
      minutes.
<code>cllm4rec baselines</code> measures it in the same way; compare this model with it before drawing
  conclusions.</p>`;
  }
  const optimistic =
    split === "validation" ? " These are the items ranked here, so the figures of EASE are optimistic." : "";
  return html`<p>EASE is a linear model in closed form, and EASE with text has the words of the dataset’s texts as
    side information. Their settings
were chosen on the validation items.${optimistic}</p>`;
}

function metricsTable(systems: readonly Measured[]): Html {
  return html`<div class="wide" tabindex="0"><table><caption>Means over users, with 95% bootstrap intervals (2,000
    resamples).</caption>
<thead><tr><th scope="col">Recommender</th>${REPORTED.map(
    (name) => html`<th scope="col" class="number">${name}</th>`,
  )}</tr></thead>
<tbody>${systems.map(
    ({ name, metrics, intervals }) =>
      html`<tr><th scope="row" class="whole">${name}</th>${REPORTED.map((metric) => {
        const interval = intervals[metric];
        const range =
          interval && html`<br><span class="soft">${decimal(interval.low)}–${decimal(interval.high)}</span>`;
        return html`<td class="number">${decimal(metrics[metric]!)}${range}</td>`;
      })}</tr>`,
  )}</tbody></table></div>`;
}

/** What the blend is made of. */
function membersTable(members: Measurement["members"]): Html | undefined {
  if (members.length === 0) return undefined;
  return html`<div class="wide" tabindex="0"><table><caption>The blend: members whose scores are
standardised for each user and added, with weights learned on the validation items. The metrics are those of each
member alone on the validation items; without a member, the sum of the three falls by its contribution.</caption>
<thead><tr><th scope="col">Member</th><th scope="col" class="number">weight</th>
${MAIN.map((name) => html`<th scope="col" class="number">${name}</th>`)}
<th scope="col" class="number">contribution</th></tr></thead>
<tbody>${members.map(
    ({ name, weight, alone, contribution }) =>
      html`<tr><th scope="row" class="whole">${name}</th>
<td class="number">${weight === 0 ? "dropped" : decimal(weight)}</td>${MAIN.map(
        (metric) => html`<td class="number">${decimal(alone[metric] ?? Number.NaN)}</td>`,
      )}<td class="number">${weight === 0 ? "" : decimal(contribution)}</td></tr>`,
  )}</tbody></table></div>`;
}

function comparisonTable({ measurement }: NonNullable<ReportContent["measured"]>): Html | undefined {
  const { baselines } = measurement;
  const rows = baselines.flatMap(({ name, comparison }) =>
    MAIN.flatMap((metric) => (comparison[metric] ? [{ name, metric, ...comparison[metric] }] : [])),
  );
  if (rows.length === 0) return undefined;
  return html`<div class="wide" tabindex="0"><table><caption>The model against each recommender, user by user. The
    verdict is the t-test's at ${String(LEVEL)} over
${rows.length} comparisons (Bonferroni); the p-values themselves are not corrected.</caption>
<thead><tr><th scope="col">Against</th><th scope="col">Metric</th><th scope="col" class="number">Difference</th>
  <th scope="col" class="number">95% interval</th>
<th scope="col" class="number">paired t-test, p</th><th scope="col" class="number">Wilcoxon, p</th>
  <th scope="col">The model is</th></tr></thead>
<tbody>${rows.map(({ name, metric, difference, tTest, wilcoxon }) => {
    const { mean, low, high } = difference;
    const said = verdict({ difference, tTest }, rows.length);
    const look = said === "not distinguishable" ? "whole" : `whole ${said}`;
    return html`<tr><th scope="row" class="whole">${name}</th><td class="whole">${metric}</td>
      <td class="number">${signed(mean)}</td>
<td class="number">${signed(low)} to ${signed(high)}</td><td class="number">${pValue(tTest.pValue)}</td>
  <td class="number">${pValue(wilcoxon.pValue)}</td>
<td class="${look}">${said}</td></tr>`;
  })}</tbody></table></div>`;
}
