// The template that the report is written with: nothing that is inserted becomes markup, and unsafe places are refused.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { html } from "../src/report/html.js";

/** What a browser makes of escaped text (HTML Standard, §13.2.5.72 and on), for the five that are used. */
const decode = (text: string) =>
  text
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&amp;", "&");

describe("escaping", () => {
  test("of any text gives text without markup, which reads as it was", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (text) => {
        const [content, attribute] = [html`<p>${text}</p>`, html`<p title="${text}">x</p>`].map(String);
        expect(content!.slice(3, -4)).not.toMatch(/[<>"']/);
        expect(decode(content!.slice(3, -4))).toBe(
          text.replace(/(?![\t\n\r])[\p{Cc}\p{Noncharacter_Code_Point}]/gu, "\ufffd"),
        );
        expect(attribute).toBe(`<p title="${content!.slice(3, -4)}">x</p>`);
      }),
    );
  });

  test("of scripts, entities, ends of attributes and characters that HTML forbids", () => {
    expect(String(html`<b>${'</b><script>alert("1")</script>&amp;\u0000\u009f\ufffe'}</b>`)).toBe(
      "<b>&lt;/b&gt;&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;\ufffd\ufffd\ufffd</b>",
    );
    expect(String(html`<b title="${'" onclick="alert(1)'}">x</b>`)).toBe(
      '<b title="&quot; onclick=&quot;alert(1)">x</b>',
    );
  });

  test("lists are joined, nothing is nothing, markup of the template stands, numbers are written", () => {
    expect(String(html`<ul>${["<", "a"].map((text) => html`<li>${text}</li>`)}${undefined}${[1, [2]]}</ul>`)).toBe(
      "<ul><li>&lt;</li><li>a</li>12</ul>",
    );
  });
});

describe("places that escaping does not make safe are refused", () => {
  test.each<[string, () => unknown]>([
    ["an attribute without quotes", () => html`<p title=${"x"}>y</p>`],
    ["single quotes", () => html`<p title='${"x"}'>y</p>`],
    ["an attribute's name", () => html`<p ${"onclick"}="x">y</p>`],
    ["an element's name", () => html`<${"script"}>`],
    ["an event's handler", () => html`<p onclick="${"x"}">y</p>`],
    ["a link", () => html`<a href="${"javascript:alert(1)"}">y</a>`],
    ["the middle of a link", () => html`<a class="a" href="#${"x"}">y</a>`],
    ["an image", () => html`<img src="${"x"}">`],
    ["inline style", () => html`<p style="color: ${"x"}">y</p>`],
    ["a style sheet", () => html`<style>p { color: ${"x"} }</style>`],
    ["a script", () => html`<script>${"x"}</script>`],
    ["a comment", () => html`<!-- ${"x"} -->`],
    ["markup in an attribute", () => html`<p title="${html`<b>x</b>`}">y</p>`],
  ])("%s", (_, act) => {
    expect(act).toThrow(/^html: (nothing may be inserted|markup inside an attribute)/);
  });

  test("and so is text that pretends to be a template", () => {
    const strings: unknown = Object.assign(["<b>", "</b>"], { raw: ["<b>", "</b>"] });
    expect(() => html(strings as TemplateStringsArray, "x")).toThrow(/is a template tag/);
  });
});
