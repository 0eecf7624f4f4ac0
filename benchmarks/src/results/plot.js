// Learning curves as SVG: validation recall@20 over the minutes of training, a line a run.
import { scaleLinear } from "d3-scale";
import { line } from "d3-shape";

const [WIDTH, HEIGHT] = [760, 340];
const MARGIN = { top: 16, right: 16, bottom: 44, left: 60 };
/** Okabe and Ito's colours, told apart by the colour-blind too. */
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"];

/** @param {readonly import("./document.js").RunRecord[]} runs */
export function learningCurves(runs) {
  const curves = runs.map((run) =>
    run.curve.map(
      ({ seconds, validation }) => /** @type {[number, number]} */ ([seconds / 60, validation["recall@20"] ?? 0]),
    ),
  );
  const points = curves.flat();
  const legend = 18 * runs.length;
  const bottom = HEIGHT - MARGIN.bottom;
  const x = scaleLinear([0, Math.max(1, ...points.map(([minutes]) => minutes))], [MARGIN.left, WIDTH - MARGIN.right]);
  const y = scaleLinear([0, Math.max(0.01, ...points.map(([, value]) => value))], [bottom, MARGIN.top]).nice();
  const path = line()
    .x(([minutes]) => round(x(minutes)))
    .y(([, value]) => round(y(value)));
  const parts = [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT + legend}" font-family="sans-serif" ` +
      'font-size="12">',
    `<title>Validation recall@20 over the minutes of training</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT + legend}" fill="#fff"/>`,
    ...y.ticks(6).map((tick) => {
      const at = round(y(tick));
      return (
        `<path d="M${MARGIN.left} ${at}H${WIDTH - MARGIN.right}" stroke="#ddd"/><text x="${MARGIN.left - 8}" ` +
        `y="${at + 4}" text-anchor="end">${tick}</text>`
      );
    }),
    ...x.ticks(8).map((tick) => `<text x="${round(x(tick))}" y="${bottom + 18}" text-anchor="middle">${tick}</text>`),
    `<text x="${(MARGIN.left + WIDTH - MARGIN.right) / 2}" y="${bottom + 36}" text-anchor="middle">minutes of ` +
      "training and validation</text>",
    `<text x="14" y="${(MARGIN.top + bottom) / 2}" text-anchor="middle" transform="rotate(-90 14 ` +
      `${(MARGIN.top + bottom) / 2})">recall@20, validation</text>`,
    ...curves.map(
      (curve, i) =>
        `<path d="${path(curve) ?? ""}" fill="none" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="1.5"/>`,
    ),
    ...runs.map(({ about }, i) => {
      const at = HEIGHT + 18 * i + 6;
      return (
        `<path d="M${MARGIN.left} ${at - 4}h24" stroke="${COLOURS[i % COLOURS.length]}" stroke-width="3"/><text ` +
        `x="${MARGIN.left + 32}" y="${at}">${escaped(about)}</text>`
      );
    }),
    "</svg>",
  ];
  return `${parts.join("\n")}\n`;
}

/** @param {number} value */
const round = (value) => Math.round(value * 10) / 10;

/** @param {string} text */
const escaped = (text) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
