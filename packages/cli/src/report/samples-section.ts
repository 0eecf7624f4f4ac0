// Sample recommendations beside the histories that they rest on.
import { decimal } from "../format.js";
import type { ReportContent } from "./content.js";
import { type Html, html } from "./html.js";
import type { Sample, SampleItem } from "./samples.js";

/** Items of a history that are shown. */
const SHOWN = 12;

export function samplesSection({ measured }: ReportContent): Html | undefined {
  if (!measured || measured.samples.length === 0) return undefined;
  return html`<p>Users at equal distances in the order of the dataset, so not chosen for their results. An item that
    the user held out is marked as found.</p>
${measured.samples.map(sampleUser)}`;
}

function sampleUser({ rawUserId, history, recommended, heldOut }: Sample): Html {
  const rest = history.length - SHOWN;
  return html`<article><h3>User <bdi>${rawUserId}</bdi></h3><div class="columns">
<div><h4>History (${history.length})</h4><ul>${history.slice(0, SHOWN).map((item) => html`<li>${label(item)}</li>`)}
${rest > 0 ? html`<li class="soft">and ${rest} more</li>` : undefined}</ul></div>
<div><h4>Recommended, with logits</h4><ol>${recommended.map(
    (item) =>
      html`<li>${label(item)} <span class="soft score">${decimal(item.score, 2)}</span>${
        item.found ? html` <span class="found">found</span>` : undefined
      }</li>`,
  )}</ol></div>
<div><h4>Held out (${heldOut.length})</h4><ul>${heldOut.map((item) => html`<li>${label(item)}</li>`)}</ul></div>
</div></article>`;
}

/** A title may run from right to left, or say that it does: it is kept apart from what surrounds it. */
const label = ({ text, rawId }: SampleItem): Html =>
  text === undefined
    ? html`<bdi>${rawId}</bdi>`
    : html`<bdi>${text}</bdi> <code class="soft"><bdi>${rawId}</bdi></code>`;
