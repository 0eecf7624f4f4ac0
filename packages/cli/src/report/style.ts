// How the page looks, in light and in dark, on paper and on a narrow screen. Colours of lines: Okabe & Ito 2008,
// lightened for dark.
import { type Html, html } from "./html.js";

/** The style sheet; nothing is inserted into it. */
export const style: Html = html`<style>
:root { color-scheme: light dark; --page: #fff; --text: #1b1f24; --soft: #59636e; --line: #d5dae0; --panel: #f5f7f9;
  --good: #0a6b45; --bad: #a3341b;
  --s0: #0072b2; --s1: #a84b00; --s2: #007d5a; --s3: #a8437f; --s4: #6b5d00; --s5: #3b6fa0; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --text: #e4e8ec; --soft: #9aa5b1; --line: #343c45;
  --panel: #1d232a; --good: #54c795; --bad: #ff8f75;
  --s0: #56b4e9; --s1: #f0a04b; --s2: #3fc79a; --s3: #e391c4; --s4: #e0d26a; --s5: #9cc3e6; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 68rem; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.7rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 .5rem; border-bottom: 1px solid var(--line); padding-bottom: .25rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 48rem; }
.claim { font-size: 1.1rem; margin: 1rem 0; }
.soft, figcaption, caption { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; list-style: none; padding: 0; margin: 1rem 0; }
a { color: var(--s0); }
.wide { overflow-x: auto; }
table { min-width: min(100%, 34rem); border-collapse: collapse; margin: .75rem 0; font-size: .9rem;
  font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .35rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .9rem .3rem 0; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; } .whole { white-space: nowrap; }
thead th { color: var(--soft); font-weight: 600; }
tbody th { font-weight: 400; }
.number { text-align: right; white-space: nowrap; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1rem 0;
  padding: 0; list-style: none; }
.cards li { background: var(--panel); border-radius: .5rem; padding: .75rem 1rem; }
.cards strong { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
.better { color: var(--good); } .worse { color: var(--bad); }
figure { margin: 1rem 0; } figcaption { font-size: .9rem; }
details { margin: .5rem 0; } summary { cursor: pointer; color: var(--soft); font-size: .9rem; }
.chart { display: block; width: 100%; max-width: 52rem; height: auto; font: 12px system-ui, sans-serif; }
.chart text { fill: var(--text); } .chart .ticks text { fill: var(--soft); }
.grid line { stroke: var(--line); } .mark line { stroke: var(--soft); stroke-dasharray: 2 3; } .chart .mark text {
  fill: var(--soft); }
.series path { fill: none; stroke: currentColor; stroke-width: 2; stroke-linejoin: round; } .series circle { fill:
  currentColor; }
.series.s1 path { stroke-dasharray: 7 3; } .series.s2 path { stroke-dasharray: 2 2; } .series.s3 path {
  stroke-dasharray: 9 3 2 3; }
.s0 { color: var(--s0); } .s1 { color: var(--s1); } .s2 { color: var(--s2); } .s3 { color: var(--s3); } .s4 { color:
  var(--s4); } .s5 { color: var(--s5); }
.chart text.name { fill: currentColor; }
.interval line { stroke: currentColor; stroke-width: 2; } .interval circle { fill: currentColor; } .interval.model {
  color: var(--s0); font-weight: 600; } .interval.baseline { color: var(--soft); }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 0 2rem; }
.columns ol, .columns ul { margin: .25rem 0; padding-left: 1.5rem; font-size: .9rem; overflow-wrap: anywhere; }
.columns li:has(> .score) { position: relative; padding-right: 4rem; } .score { position: absolute; right: 0; top: 0;
  font-variant-numeric: tabular-nums; text-align: right; }
.columns h4 { margin: .75rem 0 .25rem; font-size: .9rem; color: var(--soft); }
.found { font-weight: 600; color: var(--good); }
code { font-size: .85em; overflow-wrap: anywhere; }
.narrow { display: none; }
@media screen and (max-width: 40rem) { .chart.broad { display: none; } .chart.narrow { display: block; } }
@media print { nav { display: none; } body { max-width: none; } }
</style>`;
