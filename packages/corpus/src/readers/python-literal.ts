// Python literals: the "loose JSON" of the Amazon data of 2014 is one Python dict a line, as printed by Python 2.
// Source: The Python Language Reference, §2.4 (literals). Expressions, names and comprehensions are refused; nothing is
// evaluated.

/** What a literal gives: dicts become objects without prototype, tuples and lists become arrays. */
export type PythonValue = string | number | boolean | null | PythonValue[] | { [key: string]: PythonValue };

const MAX_DEPTH = 100;
const NUMBER = /[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)[lL]?/y;
const WORD = /[A-Za-z_]\w*/y;
const ESCAPES: Record<string, string> = {
  "\\": "\\",
  "'": "'",
  '"': '"',
  a: "\u0007",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t",
  v: "\v",
};

/** @throws SyntaxError naming the column (from 1) at which the text is not a Python literal. */
export function parsePythonLiteral(text: string): PythonValue {
  let at = 0;

  function fail(expected: string): never {
    const found = at < text.length ? JSON.stringify(text[at]) : "the end";
    throw new SyntaxError(`column ${at + 1}: ${expected} expected, ${found} found`);
  }

  function space(): void {
    while (at < text.length && " \t\r\n\f".includes(text[at]!)) at++;
  }

  function value(depth: number): PythonValue {
    if (depth > MAX_DEPTH) fail(`nesting of at most ${MAX_DEPTH}`);
    space();
    const character = text[at];
    if (character === "{") return dict(depth);
    if (character === "[") return list("]", depth);
    if (character === "(") return list(")", depth);
    if (character === "'" || character === '"') return strings();
    NUMBER.lastIndex = at;
    const number = NUMBER.exec(text);
    if (number) {
      at = NUMBER.lastIndex;
      return Number(number[0].replace(/[lL]$/, ""));
    }
    WORD.lastIndex = at;
    const word = WORD.exec(text)?.[0];
    if (word === "True" || word === "False" || word === "None") {
      at += word.length;
      return word === "None" ? null : word === "True";
    }
    if (word && /^[uU]$/.test(word) && /['"]/.test(text[at + 1] ?? "")) return strings();
    return fail("a Python literal");
  }

  /** One string or several in a row, which Python joins. */
  function strings(): string {
    let joined = "";
    do {
      if (/[uU]/.test(text[at]!)) at++;
      joined += string();
      space();
    } while (/^(?:['"]|[uU]['"])/.test(text.slice(at, at + 2)));
    return joined;
  }

  function string(): string {
    const quote = text[at++]!;
    let result = "";
    for (;;) {
      const character = text[at];
      if (character === undefined) fail(`a closing ${quote}`);
      at++;
      if (character === quote) return result;
      result += character === "\\" ? escaped() : character;
    }
  }

  function escaped(): string {
    const letter = text[at];
    if (letter === undefined) fail("an escaped character");
    const digits = { x: 2, u: 4, U: 8 }[letter];
    if (digits !== undefined) {
      const code = text.slice(at + 1, at + 1 + digits);
      const point = Number.parseInt(code, 16);
      if (code.length !== digits || !/^[0-9a-fA-F]+$/.test(code) || point > 0x10ffff)
        fail(`${digits} hexadecimal digits`);
      at += 1 + digits;
      return String.fromCodePoint(point);
    }
    const octal = /^[0-7]{1,3}/.exec(text.slice(at, at + 3));
    if (octal) {
      at += octal[0].length;
      return String.fromCharCode(Number.parseInt(octal[0], 8));
    }
    at++;
    // Python keeps the backslash before a character that it does not know.
    return ESCAPES[letter] ?? `\\${letter}`;
  }

  function list(close: "]" | ")", depth: number): PythonValue[] {
    at++;
    const values: PythonValue[] = [];
    for (;;) {
      space();
      if (text[at] === close) break;
      values.push(value(depth + 1));
      space();
      if (text[at] === ",") at++;
      else if (text[at] !== close) fail(`"," or "${close}"`);
    }
    at++;
    return values;
  }

  function dict(depth: number): { [key: string]: PythonValue } {
    at++;
    const entries: { [key: string]: PythonValue } = Object.create(null);
    for (;;) {
      space();
      if (text[at] === "}") break;
      const key = value(depth + 1);
      if (typeof key !== "string" && typeof key !== "number") fail("a string or number as key");
      space();
      if (text[at] !== ":") fail('":"');
      at++;
      entries[String(key)] = value(depth + 1);
      space();
      if (text[at] === ",") at++;
      else if (text[at] !== "}") fail('"," or "}"');
    }
    at++;
    return entries;
  }

  const result = value(0);
  space();
  if (at < text.length) fail("the end");
  return result;
}
