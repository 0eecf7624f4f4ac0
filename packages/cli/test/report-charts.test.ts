// The report's plots: whatever the numbers, everything drawn is inside, names do not overlap, and the data are in the
// picture.
import fc from "fast-check";
import { type DefaultTreeAdapterTypes as Html, parseFragment } from "parse5";
import { describe, expect, test } from "vitest";
import { intervalChart } from "../src/report/interval-chart.js";
import { lineChart, type Series } from "../src/report/line-chart.js";

/** All elements of an SVG, by name and attributes, with the text directly inside. */
function drawn(svg: unknown): { name: string; attributes: Record<string, string>; text: string }[] {
  const found: ReturnType<typeof drawn> = [];
  const walk = (node: Html.ChildNode): void => {
    if (!("tagName" in node)) return;
    found.push({
      name: node.tagName,
      attributes: Object.fromEntries(node.attrs.map(({ name, value }) => [name, value])),
      text: node.childNodes.map((child) => ("value" in child ? child.value : "")).join(""),
    });
    node.childNodes.forEach(walk);
  };
  parseFragment(String(svg)).childNodes.forEach(walk);
  return found;
}

const chart = (series: readonly Series[], mark?: { x: number; label: string }) =>
  drawn(lineChart({ id: "c", title: "T", description: "D", x: "updates", series, ...(mark && { mark }) }));

const value = fc.double({ noNaN: true, min: -1e9, max: 1e9 });
const points = fc
  .uniqueArray(fc.integer({ min: 1, max: 1e7 }), { minLength: 1, maxLength: 50 })
  .chain((updates) =>
    fc
      .array(value, { minLength: updates.length, maxLength: updates.length })
      .map((values) => updates.sort((a, b) => a - b).map((update, i) => [update, values[i]!] as const)),
  );

describe("a line chart", () => {
  test("keeps all that it draws inside, and every point in order from left to right", () => {
    fc.assert(
      fc.property(fc.array(points, { minLength: 1, maxLength: 6 }), (all) => {
        const elements = chart(all.map((one, i) => ({ name: `series ${i}`, points: one })));
        const paths = elements.filter(({ name }) => name === "path").map(({ attributes }) => attributes.d!);
        expect(paths).toHaveLength(all.length);
        for (const [i, d] of paths.entries()) {
          const pairs = [...d.matchAll(/(-?[\d.]+),(-?[\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)] as const);
          expect(pairs).toHaveLength(all[i]!.length);
          for (const [k, [x, y]] of pairs.entries()) {
            expect(x).toBeGreaterThanOrEqual(k === 0 ? 56 : pairs[k - 1]![0]);
            expect(x).toBeLessThanOrEqual(544);
            expect(y).toBeGreaterThanOrEqual(16);
            expect(y).toBeLessThanOrEqual(200);
          }
        }
        const names = elements.filter(({ attributes }) => attributes.class?.startsWith("name"));
        const heights = names.map(({ attributes }) => Number(attributes.y)).sort((a, b) => a - b);
        expect(names.map(({ text }) => text).sort()).toEqual(all.map((_, i) => `series ${i}`));
        for (const [k, y] of heights.entries()) {
          if (k > 0) expect(y - heights[k - 1]!).toBeGreaterThan(14.8);
          expect(y).toBeLessThanOrEqual(204.1);
        }
      }),
    );
  });

  test("has whole numbers below, larger values higher, and the mark where it belongs", () => {
    const elements = chart(
      [
        {
          name: "recall",
          points: [
            [1, 0.1],
            [2, 0.4],
            [3, 0.2],
          ],
        },
      ],
      { x: 2, label: "best: 2" },
    );
    const texts = elements.filter(({ name }) => name === "text");
    expect(texts.filter(({ attributes }) => attributes.y === "218").map(({ text }) => text)).toEqual(["1", "2", "3"]);
    const circles = elements.filter(({ name }) => name === "circle").map(({ attributes }) => attributes);
    expect(circles.map(({ cy }) => Number(cy))).toEqual([200, 16, expect.closeTo(138.7, 1)]);
    const mark = texts.find(({ text }) => text === "best: 2")!;
    expect(mark.attributes.x).toBe(circles[1]!.cx);
  });

  test("of nothing, or of one value again and again, is still a chart", () => {
    for (const series of [
      [],
      [
        {
          name: "flat",
          points: [
            [1, 3],
            [2, 3],
          ] as const,
        },
      ],
      [{ name: "zero", points: [[0, 0]] as const }],
    ]) {
      expect(JSON.stringify(chart(series))).not.toMatch(/NaN|Infinity|undefined/);
    }
  });
});

test("an interval chart has a row for each recommender, its interval around its mean", () => {
  const row = fc.tuple(fc.double({ noNaN: true, min: 0, max: 1 }), fc.double({ noNaN: true, min: 0, max: 0.1 }));
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
      const given = rows.map(([mean, half], i) => ({
        name: `<${i}>`,
        mean,
        low: Math.max(0, mean - half),
        high: mean + half,
      }));
      const elements = drawn(intervalChart("i", "T", given));
      const groups = elements.filter(({ attributes }) => attributes.class?.startsWith("interval"));
      expect(groups.map(({ attributes }) => attributes.class)).toEqual(
        rows.map((_, i) => (i === 0 ? "interval model" : "interval baseline")),
      );
      const lines = elements.filter(({ name, attributes }) => name === "line" && attributes.y1 === attributes.y2);
      const dots = elements.filter(({ name }) => name === "circle");
      for (const [i, { attributes }] of dots.entries()) {
        const [from, to] = [Number(lines[i]!.attributes.x1), Number(lines[i]!.attributes.x2)];
        expect(from).toBeLessThanOrEqual(Number(attributes.cx));
        expect(to).toBeGreaterThanOrEqual(Number(attributes.cx));
        expect(from).toBeGreaterThanOrEqual(180);
        expect(to).toBeLessThanOrEqual(576);
      }
      expect(elements.find(({ name }) => name === "desc")!.text).toContain(`<0> ${given[0]!.mean.toFixed(4)}`);
    }),
  );
});
