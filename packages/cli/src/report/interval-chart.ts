// One metric of several systems: a dot for the mean and a line for its interval, as static SVG.
import { scaleLinear } from "d3-scale";
import { decimal } from "../format.js";
import { type Html, html } from "./html.js";

export interface IntervalRow {
  readonly name: string;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Names stand to the left of the rows, or above them where there is no room. */
interface Size {
  readonly look: "broad" | "narrow";
  readonly width: number;
  readonly row: number;
  readonly left: number;
  readonly ticks: number;
}

const BROAD: Size = { look: "broad", width: 640, row: 26, left: 180, ticks: 5 };
const NARrow: Size = { look: "narrow", width: 340, row: 40, left: 8, ticks: 3 };

/** The plot for wide and for narrow screens, of which the style sheet shows one. */
export function intervalCharts(id: string, title: string, rows: readonly IntervalRow[]): Html {
  return html`${intervalChart(id, title, rows)}
${intervalChart(`${id}-narrow`, title, rows, NARrow)}`;
}

/** The first row is the model and is highlighted. `id` is unique on the page. */
export function intervalChart(id: string, title: string, rows: readonly IntervalRow[], size: Size = BROAD): Html {
  const { look, width, row, left, ticks: wanted } = size;
  const margin = { top: 8, right: 64, bottom: 24, left };
  const height = margin.top + rows.length * row + margin.bottom;
  const bottom = height - margin.bottom;
  const x = scaleLinear([0, Math.max(...rows.map(({ high }) => high)) || 1], [margin.left, width - margin.right]).nice(
    5,
  );
  const [ticks, text] = [x.ticks(wanted), x.tickFormat(wanted)];
  const description = rows
    .map(({ name, mean, low, high }) => `${name} ${decimal(mean)}, from ${decimal(low)} to ${decimal(high)}`)
    .join("; ");
  return html`<svg class="chart ${look}" viewBox="0 0 ${width} ${height}" role="img"
    aria-labelledby="${id}-title ${id}-text">
<title id="${id}-title">${title}</title><desc id="${id}-text">${description}</desc>
<g class="grid">${ticks.map(
    (tick) => html`<line x1="${round(x(tick))}" x2="${round(x(tick))}" y1="${margin.top}" y2="${bottom}"/>`,
  )}</g>
<g class="ticks">${ticks.map(
    (tick) => html`<text x="${round(x(tick))}" y="${bottom + 16}" text-anchor="middle">${text(tick)}</text>`,
  )}</g>
${rows.map(({ name, mean, low, high }, i) => {
  const y = margin.top + (i + 0.5) * row;
  return html`<g class="interval ${i === 0 ? "model" : "baseline"}">
    ${
      look === "narrow"
        ? html`<text x="${margin.left}" y="${y - 9}">${name}</text>`
        : html`<text x="${margin.left - 10}" y="${y + 4}" text-anchor="end">${name}</text>`
    }
<line x1="${round(x(low))}" x2="${round(x(high))}" y1="${y}" y2="${y}"/><circle cx="${round(x(mean))}" cy="${y}" r="4"/>
<text x="${round(x(high)) + 8}" y="${y + 4}">${decimal(mean)}</text></g>`;
})}
</svg>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
