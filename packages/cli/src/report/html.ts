// Markup that cannot be injected into: the only way to make Html is this template tag, and it escapes everything put
// into it.

type Insertion = string | number | Html | undefined | readonly Insertion[];

/** A piece of finished markup. Only {@link html} makes one: its constructor is not exported. */
class Html {
  readonly #text: string;
  constructor(text: string) {
    this.#text = text;
  }
  toString(): string {
    return this.#text;
  }
}

export type { Html };

/** The place of an insertion in the markup. */
type Place = "content" | "attribute";

/**
 * Template tag. Strings and numbers are escaped, Html is inserted as it is, lists are joined, `undefined` is nothing.
 * @throws TypeError where the place of an insertion is one that escaping does not make safe: outside the quotes of an
 *   attribute, in an attribute that a browser runs or follows, in a script or style sheet, in a comment; and for Html
 *   inside an attribute
 */
export function html(strings: TemplateStringsArray, ...insertions: readonly Insertion[]): Html {
  const places = placesOf(strings);
  let text = strings[0] ?? "";
  insertions.forEach((insertion, i) => {
    text += render(insertion, places[i]!) + strings[i + 1]!;
  });
  return new Html(text);
}

function render(insertion: Insertion, place: Place): string {
  if (insertion === undefined) return "";
  if (typeof insertion === "string") return escapeText(insertion);
  if (typeof insertion === "number") return String(insertion);
  if (insertion instanceof Html) {
    if (place === "attribute") throw new TypeError("html: markup inside an attribute; insert a string");
    return insertion.toString();
  }
  return insertion.map((one) => render(one, place)).join("");
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Characters that HTML does not allow become U+FFFD; lone surrogates do so when the text is encoded. */
function escapeText(text: string): string {
  return text
    .replace(/[&<>"']/g, (character) => ENTITIES[character]!)
    .replace(/(?![\t\n\r])[\p{Cc}\p{Noncharacter_Code_Point}]/gu, "\ufffd");
}

const known = new WeakMap<TemplateStringsArray, readonly Place[]>();

/** The places of a template's insertions, found once for each template. */
function placesOf(strings: TemplateStringsArray): readonly Place[] {
  const before = known.get(strings);
  if (before) return before;
  if (!Object.isFrozen(strings)) throw new TypeError("html: is a template tag; write html`…`");
  let text = "";
  const places = strings.slice(0, -1).map((piece) => {
    text += piece;
    const place = placeAtEnd(text);
    text += "·"; // a placeholder for the insertion, which cannot end the context it is in
    return place;
  });
  known.set(strings, places);
  return places;
}

/** Attributes whose value a browser runs, loads or follows. */
const ACTIVE =
  /[\s/](?:on\w+|href|src|srcset|srcdoc|action|formaction|style|xlink:href|data|http-equiv|content)="[^"]*$/i;

function placeAtEnd(text: string): Place {
  const refuse = (where: string): never => {
    throw new TypeError(`html: nothing may be inserted ${where}: …${text.slice(-40)}`);
  };
  if (text.lastIndexOf("<!--") > text.lastIndexOf("-->")) refuse("into a comment");
  for (const element of ["script", "style"]) {
    const lower = text.toLowerCase();
    if (lower.lastIndexOf(`<${element}`) > lower.lastIndexOf(`</${element}`)) refuse(`into a ${element} element`);
  }
  // Quotes matter inside tags only.
  let inTag = false;
  let inQuotes = false;
  for (const character of text) {
    if (!inTag) inTag = character === "<";
    else if (character === '"') inQuotes = !inQuotes;
    else if (character === ">" && !inQuotes) inTag = false;
  }
  if (!inTag) return "content";
  if (!inQuotes) refuse("into a tag outside double quotes");
  if (ACTIVE.test(text)) refuse("into an attribute that is run, loaded or followed");
  return "attribute";
}
