// A line chart as static SVG: scales, ticks and paths by D3, colours by the page's style sheet.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";
import { whole } from "../format.js";
import { type Html, html } from "./html.js";

/** [x, y] */
export type Point = readonly [number, number];

export interface Series {
  readonly name: string;
  readonly points: readonly Point[];
}

export interface LineChart {
  /** Unique on the page: the start of the ids of title and description. */
  readonly id: string;
  readonly title: string;
  /** A description for screen readers. */
  readonly description: string;
  readonly x: string;
  readonly series: readonly Series[];
  /** A vertical line with a word to it. */
  readonly mark?: { readonly x: number; readonly label: string };
}

/** A plot in its own units; on a narrow screen it is drawn anew, so that its text is as large as on a wide one. */
interface Size {
  readonly look: "broad" | "narrow";
  readonly width: number;
  readonly ticks: number;
}

const BROAD: Size = { look: "broad", width: 640, ticks: 6 };
const NARROW: Size = { look: "narrow", width: 340, ticks: 3 };
const HEIGHT = 240;
const MARGIN = { top: 16, right: 96, bottom: 40, left: 56 };
/** Between the names at the ends of lines. */
const LABEL_HEIGHT = 15;

/** The plot for wide and for narrow screens, of which the style sheet shows one. */
export function lineCharts(chart: LineChart): Html {
  return html`${lineChart(chart)}
${lineChart({ ...chart, id: `${chart.id}-narrow` }, NARROW)}`;
}

/** Series beyond the sixth repeat the first one's look. */
export function lineChart(chart: LineChart, { look, width, ticks }: Size = BROAD): Html {
  const all = chart.series.flatMap(({ points }) => points);
  const x = scaleLinear(extent(all.map(([value]) => value)), [MARGIN.left, width - MARGIN.right]);
  const y = scaleLinear(extent(all.map(([, value]) => value)), [HEIGHT - MARGIN.bottom, MARGIN.top]).nice(5);
  const path = line<Point>()
    .x(([value]) => round(x(value)))
    .y(([, value]) => round(y(value)));
  // Epochs and updates are counted: half of one is none.
  const [xTicks, yTicks] = [x.ticks(ticks).filter(Number.isInteger), y.ticks(5)];
  const yText = y.tickFormat(5);
  const bottom = HEIGHT - MARGIN.bottom;
  const ends = endLabels(chart.series, (value) => y(value));
  return html`<svg class="chart ${look}" viewBox="0 0 ${width} ${HEIGHT}" role="img"
    aria-labelledby="${chart.id}-title ${chart.id}-text">
<title id="${chart.id}-title">${chart.title}</title><desc id="${chart.id}-text">${chart.description}</desc>
<g class="grid">${yTicks.map(
    (tick) => html`<line x1="${MARGIN.left}" x2="${width - MARGIN.right}"
  y1="${round(y(tick))}" y2="${round(y(tick))}"/>`,
  )}</g>
<g class="ticks">${yTicks.map(
    (tick) => html`<text x="${MARGIN.left - 8}" y="${round(y(tick) + 4)}" text-anchor="end">${yText(tick)}</text>`,
  )}
${xTicks.map((tick) => html`<text x="${round(x(tick))}" y="${bottom + 18}" text-anchor="middle">${whole(tick)}</text>`)}
<text x="${(MARGIN.left + width - MARGIN.right) / 2}" y="${HEIGHT - 4}" text-anchor="middle">${chart.x}</text></g>
${
  chart.mark &&
  html`<g class="mark"><line x1="${round(x(chart.mark.x))}" x2="${round(x(chart.mark.x))}" y1="${MARGIN.top}"
    y2="${bottom}"/>
<text x="${round(x(chart.mark.x))}" y="${MARGIN.top - 4}" text-anchor="middle">${chart.mark.label}</text></g>`
}
${chart.series.map(
  ({ points }, i) => html`<g class="series s${i % 6}"><path d="${path([...points]) ?? ""}"/>
${
  points.length <= 40
    ? points.map(([a, b]) => html`<circle cx="${round(x(a))}" cy="${round(y(b))}" r="2.5"/>`)
    : undefined
}</g>`,
)}
${ends.map(
  ({ name, at, series }) => html`<text class="name s${series % 6}" x="${width - MARGIN.right + 8}"
  y="${round(at + 4)}">${name}</text>`,
)}
</svg>`;
}

/** Names beside the last points, moved apart where they would overlap. */
function endLabels(
  series: readonly Series[],
  y: (value: number) => number,
): { readonly name: string; readonly at: number; readonly series: number }[] {
  const labels = series.flatMap(({ name, points }, i) => {
    const last = points[points.length - 1];
    return last ? [{ name, at: y(last[1]), series: i }] : [];
  });
  labels.sort((a, b) => a.at - b.at);
  for (let i = 1; i < labels.length; i++) labels[i]!.at = Math.max(labels[i]!.at, labels[i - 1]!.at + LABEL_HEIGHT);
  // What was pushed below the plot is pushed up again, and what is above it in turn.
  let limit = HEIGHT - MARGIN.bottom;
  for (let i = labels.length - 1; i >= 0; i--) {
    labels[i]!.at = Math.min(labels[i]!.at, limit);
    limit = labels[i]!.at - LABEL_HEIGHT;
  }
  return labels;
}

/** Smallest and largest; a little around a single value, which would have no extent. */
function extent(values: readonly number[]): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return [0, 1];
  const size = Math.max(Math.abs(low), Math.abs(high));
  // Ticks cannot be distinguished in a range that is hardly longer than the precision of its ends.
  if (high - low <= 1e-12 * Math.max(size, 1)) {
    const around = size > 1e-9 ? 0.05 * size : 1;
    return [low - around, high + around];
  }
  return [low, high];
}

/** A tenth of a pixel is enough. */
const round = (value: number): number => Math.round(value * 10) / 10;
