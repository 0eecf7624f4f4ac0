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

const WIDTH = 640;
const ROW = 26;
const MARGIN = { top: 8, right: 64, bottom: 24, left: 180 };

/** The first row is the model and is highlighted. `id` is unique on the page. */
export function intervalChart(id: string, title: string, rows: readonly IntervalRow[]): Html {
  const height = MARGIN.top + rows.length * ROW + MARGIN.bottom;
  const bottom = height - MARGIN.bottom;
  const x = scaleLinear([0, Math.max(...rows.map(({ high }) => high)) || 1], [MARGIN.left, WIDTH - MARGIN.right]).nice(
    5,
  );
  const [ticks, text] = [x.ticks(5), x.tickFormat(5)];
  const description = rows
    .map(({ name, mean, low, high }) => `${name} ${decimal(mean)}, from ${decimal(low)} to ${decimal(high)}`)
    .join("; ");
  return html`<svg class="chart" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="${id}-title ${id}-text">
<title id="${id}-title">${title}</title><desc id="${id}-text">${description}</desc>
<g class="grid">${ticks.map(
    (tick) => html`<line x1="${round(x(tick))}" x2="${round(x(tick))}" y1="${MARGIN.top}" y2="${bottom}"/>`,
  )}</g>
<g class="ticks">${ticks.map(
    (tick) => html`<text x="${round(x(tick))}" y="${bottom + 16}" text-anchor="middle">${text(tick)}</text>`,
  )}</g>
${rows.map(({ name, mean, low, high }, i) => {
  const y = MARGIN.top + (i + 0.5) * ROW;
  return html`<g class="interval ${i === 0 ? "model" : "baseline"}">
    <text x="${MARGIN.left - 10}" y="${y + 4}" text-anchor="end">${name}</text>
<line x1="${round(x(low))}" x2="${round(x(high))}" y1="${y}" y2="${y}"/><circle cx="${round(x(mean))}" cy="${y}" r="4"/>
<text x="${round(x(high)) + 8}" y="${y + 4}">${decimal(mean)}</text></g>`;
})}
</svg>`;
}

const round = (value: number): number => Math.round(value * 10) / 10;
