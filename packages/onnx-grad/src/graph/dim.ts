// Symbolic dimensions: integers, or polynomials with integer coefficients over named symbols, kept as canonical
// strings.

/**
 * A dimension: a non-negative integer, or an expression over symbols such as `"B"`, `"B*T"` or `"P+T"` (canonical
 * form).
 */
export type Dim = number | string;

/** A tensor's dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly Dim[];

/** Monomial (symbols sorted, joined by `*`; `""` for the constant term) → integer coefficient. */
type Polynomial = Map<string, number>;

const symbolPattern = /^[A-Za-z_][A-Za-z0-9_]*$/;

/**
 * The canonical form of a dimension. Accepts sums and products of integers and symbols, e.g. `"T*B + 1"` → `"B*T+1"`.
 * @throws RangeError for a negative or fractional number, or for text that is no such expression.
 */
export function canonicalDim(dim: Dim): Dim {
  if (typeof dim === "number") {
    if (!Number.isSafeInteger(dim) || dim < 0) {
      throw new RangeError(`dimension ${dim}: a non-negative integer or a symbol is expected`);
    }
    return dim;
  }
  return format(parse(dim));
}

export const addDims = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a + b : format(combine(parse(a), parse(b), 1));

export const subtractDims = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a - b : format(combine(parse(a), parse(b), -1));

export const multiplyDims = (a: Dim, b: Dim): Dim =>
  typeof a === "number" && typeof b === "number" ? a * b + 0 : format(product(parse(a), parse(b))); // + 0: never -0

/** The product of a shape's dimensions (1 for a scalar). */
export const elementCount = (shape: Shape): Dim => shape.reduce<Dim>(multiplyDims, 1);

/**
 * `a / b` where `b` divides `a` exactly as an expression; `undefined` where it does not, or where that can't be seen.
 */
export function divideDims(a: Dim, b: Dim): Dim | undefined {
  if (a === b && b !== 0) return 1;
  if (typeof a === "number" && typeof b === "number") return b !== 0 && a % b === 0 ? a / b : undefined;
  const divisor = parse(b);
  if (divisor.size !== 1) return undefined;
  const [[monomial, coefficient]] = [...divisor] as [[string, number]];
  const quotient: Polynomial = new Map();
  for (const [term, value] of parse(a)) {
    const rest = removeSymbols(term, monomial);
    if (rest === undefined || value % coefficient !== 0) return undefined;
    quotient.set(rest, value / coefficient);
  }
  return format(quotient);
}

/**
 * ⌊dim / divisor⌋ for a positive number: exact where everything but the constant term is a multiple of it; `undefined`
 * where that can't be seen.
 */
export function floorDivideDims(dim: Dim, divisor: number): Dim | undefined {
  if (typeof dim === "number") return Math.floor(dim / divisor);
  const quotient: Polynomial = new Map();
  for (const [term, value] of parse(dim)) {
    if (term !== "" && value % divisor !== 0) return undefined;
    quotient.set(term, Math.floor(value / divisor));
  }
  return format(quotient);
}

/** Whether two shapes are the same, dimension by dimension. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((dim, i) => dim === b[i]);

/** A shape as text for messages: `[B, T, 768]`. */
export const formatShape = (shape: Shape): string => `[${shape.join(", ")}]`;

/** The product over concrete dimensions. @throws RangeError where a dimension is symbolic. */
export function staticSize(shape: Shape): number {
  const size = elementCount(shape);
  if (typeof size !== "number") throw new RangeError(`shape ${formatShape(shape)} is not static`);
  return size;
}

/** The terms of a dimension: each a coefficient times a product of symbols (no symbols for the constant term). */
export function dimTerms(dim: Dim): { readonly coefficient: number; readonly symbols: readonly string[] }[] {
  return [...parse(dim)].map(([monomial, coefficient]) => ({
    coefficient,
    symbols: monomial.split("*").filter(Boolean),
  }));
}

const malformed = (dim: string): RangeError =>
  new RangeError(`dimension ${JSON.stringify(dim)}: sums and products of integers and names are expected`);

function parse(dim: Dim): Polynomial {
  if (typeof dim === "number") return new Map(dim === 0 ? [] : [["", dim]]);
  const polynomial: Polynomial = new Map();
  if (/\w\s+\w/.test(dim)) throw malformed(dim);
  const terms = dim.replace(/\s+/g, "").replace(/(?<=[^*+-])-/g, "+-");
  for (const term of terms.split("+")) {
    let coefficient = 1;
    const symbols: string[] = [];
    for (let factor of term.split("*")) {
      if (factor.startsWith("-")) {
        coefficient = -coefficient;
        factor = factor.slice(1);
      }
      if (/^\d+$/.test(factor)) coefficient *= Number(factor);
      else if (symbolPattern.test(factor)) symbols.push(factor);
      else throw malformed(dim);
    }
    const monomial = symbols.sort().join("*");
    polynomial.set(monomial, (polynomial.get(monomial) ?? 0) + coefficient);
  }
  return polynomial;
}

function format(polynomial: Polynomial): Dim {
  const terms = [...polynomial].filter(([, value]) => value !== 0);
  if (terms.length === 0) return 0;
  if (terms.length === 1 && terms[0]![0] === "") return terms[0]![1];
  // Symbols first in alphabetical order, the constant last; a leading minus is avoided where any term is positive.
  terms.sort(
    ([a, x], [b, y]) => Number(x < 0) - Number(y < 0) || Number(a === "") - Number(b === "") || (a < b ? -1 : 1),
  );
  return terms
    .map(([monomial, value], i) => {
      const magnitude = Math.abs(value);
      const body = monomial === "" ? `${magnitude}` : magnitude === 1 ? monomial : `${magnitude}*${monomial}`;
      return value < 0 ? `-${body}` : i > 0 ? `+${body}` : body;
    })
    .join("");
}

function combine(a: Polynomial, b: Polynomial, sign: 1 | -1): Polynomial {
  const sum: Polynomial = new Map(a);
  for (const [monomial, value] of b) sum.set(monomial, (sum.get(monomial) ?? 0) + sign * value);
  return sum;
}

function product(a: Polynomial, b: Polynomial): Polynomial {
  const result: Polynomial = new Map();
  for (const [m, x] of a) {
    for (const [n, y] of b) {
      const monomial = [...m.split("*"), ...n.split("*")].filter(Boolean).sort().join("*");
      result.set(monomial, (result.get(monomial) ?? 0) + x * y);
    }
  }
  return result;
}

function removeSymbols(term: string, divisor: string): string | undefined {
  const rest = term.split("*").filter(Boolean);
  for (const symbol of divisor.split("*").filter(Boolean)) {
    const at = rest.indexOf(symbol);
    if (at < 0) return undefined;
    rest.splice(at, 1);
  }
  return rest.join("*");
}
